//! Bad messages of producers.

use crate::doors::Answer;
use crate::grpc::commands;
use crate::{Error, NOWHERE, Row, cluster, postcard, submit};
use async_nats::{Client, HeaderMap};
use futures::StreamExt;
use oi_events::{Command, JobCommand, JobId, JobOutput, JobResult, ReportJobV2};
use oi_proto::v1::{self, command_outcome::Outcome, submit_request::Command as Asked};
use prost::Message;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

struct Sent {
    want: &'static str,
    what: String,
    headers: Vec<(&'static str, String)>,
    payload: Vec<u8>,
}

fn bad() -> Result<Vec<Sent>, Error> {
    let good = || submit(Asked::CreateCluster(cluster("new")));
    let protobuf = "application/x-protobuf";
    let truncated = {
        let mut bytes = good().encode_to_vec();
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    let internal = Command::Job(JobCommand::ReportJob(ReportJobV2 {
        job: JobId("hypervisor.hv-1.1.probe".to_owned()),
        result: JobResult::Succeeded(JobOutput::None),
        took_ms: 1,
    }));
    let (kinds, report) = postcard(&internal)?;
    let headers = |kinds: &str| {
        vec![
            ("Content-Type", "application/x-oi-postcard".to_owned()),
            ("Oi-Kinds", kinds.to_owned()),
            ("Oi-Command-Id", uuid::Uuid::now_v7().to_string()),
            ("Oi-Correlation", uuid::Uuid::now_v7().to_string()),
            ("Oi-Actor", "mallory".to_owned()),
            ("Oi-Time", "1790000000000".to_owned()),
        ]
    };
    let one =
        |want, what: &str, headers, payload| Sent { want, what: what.to_owned(), headers, payload };
    let mut all = vec![
        one("malformed", "an empty message", vec![], vec![]),
        one("malformed", "junk", vec![], b"\xff\xff\xff\xffjunk".to_vec()),
        one("malformed", "a text", vec![], b"create a cluster, please".to_vec()),
        one("malformed", "JSON", vec![], br#"{"command_id": "x"}"#.to_vec()),
        one("malformed", "half a request", vec![("Content-Type", protobuf.to_owned())], truncated),
        one(
            "malformed",
            "another content type",
            vec![("Content-Type", "text/plain".to_owned())],
            good().encode_to_vec(),
        ),
        one("malformed", "zeros", vec![], vec![0; 1000]),
        one(
            "malformed",
            "a length that there is not",
            vec![],
            vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
        ),
        one("malformed", "nesting", vec![], vec![0x6a; 10_000]),
        one("too-large", "a message of 300 KiB", vec![], vec![1; 300 * 1024]),
        one("forbidden", "a worker's report", headers(&kinds), report.clone()),
        one(
            "malformed",
            "postcard with a byte too many",
            headers(&kinds),
            [report.clone(), vec![0]].concat(),
        ),
        one("malformed", "postcard cut off", headers(&kinds), report[..3].to_vec()),
        one("malformed", "postcard of an unknown kind", headers("999 1 Banana"), report.clone()),
        one(
            "malformed",
            "postcard of an unknown version",
            headers("1 99 CreateCluster"),
            report.clone(),
        ),
        one(
            "malformed",
            "postcard without headers",
            vec![("Content-Type", "application/x-oi-postcard".to_owned())],
            report,
        ),
        one(
            "malformed",
            "a request for oi itself",
            vec![],
            v1::SubmitRequest { actor: "a\nb".to_owned(), ..good() }.encode_to_vec(),
        ),
        one(
            "hypervisor-unknown",
            "an unknown hypervisor",
            vec![],
            submit(Asked::UnregisterHypervisor(v1::UnregisterHypervisor {
                name: "nowhere".to_owned(),
            }))
            .encode_to_vec(),
        ),
    ];
    for name in ["", "A", "../x", "a b"] {
        all.push(one(
            "malformed",
            "a name that cannot be",
            vec![],
            submit(Asked::DeleteCluster(v1::DeleteCluster {
                name: name.to_owned(),
                forget_orphans: false,
            }))
            .encode_to_vec(),
        ));
    }
    all.push(one(
        "position-moved",
        "a stale position",
        vec![],
        v1::SubmitRequest { expected_position: 1, ..good() }.encode_to_vec(),
    ));
    // What is refused at one door is refused at the other.
    let commands = commands().into_iter();
    all.extend(
        commands
            .map(|(want, what, command)| one(want, &what, vec![], submit(command).encode_to_vec())),
    );
    Ok(all)
}

/// Publishes as a stock client would, and waits for the outcome.
pub async fn publish(
    client: &Client,
    subject: String,
    headers: &[(&'static str, String)],
    payload: Vec<u8>,
) -> Result<Answer, Error> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.as_str());
    }
    map.insert("Oi-Reply-To", inbox);
    let context = async_nats::jetstream::new(client.clone());
    context.publish_with_headers(subject, map, payload.into()).await?.await?;
    let answer = tokio::time::timeout(LIMIT, answers.next()).await?.ok_or("no answer")?;
    let (code, message) = match v1::CommandOutcome::decode(answer.payload)?.outcome {
        Some(Outcome::Rejected(rejected)) => (rejected.code, rejected.message),
        Some(Outcome::Decided(decided)) if decided.duplicate => {
            ("duplicate".to_owned(), String::new())
        }
        Some(Outcome::Decided(_)) => ("accepted".to_owned(), String::new()),
        None => ("nothing".to_owned(), String::new()),
    };
    Ok(Answer { code, message })
}

async fn outcome(client: &Client, sent: &Sent) -> Result<String, Error> {
    let subject = "oi.submit.admin.abuse".to_owned();
    let answer = publish(client, subject, &sent.headers, sent.payload.clone()).await?;
    Ok(answer.code)
}

pub async fn rows(client: &Client, decided: &v1::SubmitRequest) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for sent in bad()? {
        let got = outcome(client, &sent).await.unwrap_or_else(|e| e.to_string());
        rows.push(Row {
            what: format!("as a message: {}", sent.what),
            want: sent.want,
            got,
            recorded: true,
        });
    }
    let again = Sent {
        want: "duplicate",
        what: "a command that was decided".to_owned(),
        headers: Vec::new(),
        payload: decided.encode_to_vec(),
    };
    let got = outcome(client, &again).await.unwrap_or_else(|e| e.to_string());
    let what = format!("as a message: {}", again.what);
    rows.push(Row { what, want: again.want, got, recorded: true });
    // Where an outcome may not go, nothing is told, and it is recorded all the same.
    let short = Duration::from_millis(100);
    for reply in ["oi.decide", "_INBOX.*", "$JS.API.STREAM.DELETE.OI_EVENTS"] {
        let got = told(client, "oi.events.x", reply, short).await?;
        let what = format!("an outcome to {reply}");
        rows.push(Row { what, want: "not told", got, recorded: true });
    }
    let long = |bytes: usize| format!("{:a<bytes$}", format!("_INBOX.{}.", uuid::Uuid::now_v7()));
    for (want, reply, patience) in [
        ("not told", "oi.events.x".to_owned(), short),
        ("told", long(200), LIMIT),
        ("not told", long(201), short),
    ] {
        let got = told(client, &reply, &reply, patience).await?;
        rows.push(Row { what: format!("an outcome to {reply}"), want, got, recorded: true });
    }
    Ok(rows)
}

/// Whether somebody at a subject hears what is to be told to another.
async fn told(client: &Client, at: &str, reply: &str, patience: Duration) -> Result<String, Error> {
    let mut heard = client.subscribe(at.to_owned()).await?;
    let mut headers = HeaderMap::new();
    headers.insert("Oi-Reply-To", reply);
    let context = async_nats::jetstream::new(client.clone());
    let cordon = v1::CordonHypervisor { name: NOWHERE.to_owned(), cordoned: true };
    let payload = submit(Asked::CordonHypervisor(cordon)).encode_to_vec().into();
    context.publish_with_headers("oi.submit.admin.abuse", headers, payload).await?.await?;
    let told = tokio::time::timeout(patience, heard.next()).await.is_ok();
    Ok(if told { "told" } else { "not told" }.to_owned())
}
