//! `oi-helper`: see the library. Exit codes are those of [`oi_helper::exit`].

mod probe;
mod server;

use oi_helper::exit;
use probe::Probe;
use server::Request;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: oi-helper serve --root DIR
       oi-helper public-key
       oi-helper put BASE64...
       oi-helper hash PATH...
       oi-helper probe --url http[s]://IP:PORT/PATH [--ca FILE] [--cert FILE --key FILE] --timeout SECONDS
The unix socket between them is $OI_HELPER_SOCKET, /run/oi-helper.sock by default.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 `serve` does not listen, 4 sealed to
another key, 5 a path is refused and nothing was done.";

fn options(args: &[String]) -> Option<BTreeMap<&str, &str>> {
    let pairs = args.chunks(2).map(|pair| match pair {
        [name, value] => Some((name.strip_prefix("--")?, value.as_str())),
        _ => None,
    });
    pairs.collect()
}

fn parse_probe(options: &BTreeMap<&str, &str>) -> Option<Probe> {
    let url = options.get("url")?;
    let (rest, ca) = match (url.strip_prefix("https://"), options.get("ca")) {
        (Some(rest), Some(ca)) => (rest, Some(PathBuf::from(ca))),
        (None, None) => (url.strip_prefix("http://")?, None),
        _ => return None,
    };
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let file = |name| options.get(name).map(PathBuf::from);
    let (certificate, key) = (file("cert"), file("key"));
    let consistent = certificate.is_some() == key.is_some();
    consistent.then_some(())?;
    Some(Probe {
        address: address.parse().ok()?,
        path: format!("/{path}"),
        ca,
        client: certificate.zip(key),
        timeout: Duration::from_secs(options.get("timeout")?.parse().ok()?),
    })
}

/// What to print, or how to end and why.
type Outcome = Result<String, (u8, String)>;

fn failed(error: &dyn std::error::Error) -> (u8, String) {
    (exit::FAILED, chain(error))
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn ask(socket: &Path, request: &Request) -> Outcome {
    match server::ask(socket, request) {
        Ok(reply) if reply.exit == exit::DONE => Ok(reply.text),
        Ok(reply) => Err((reply.exit, reply.text)),
        Err(e @ server::ServerError::Connect { .. }) => Err((exit::NO_SERVER, chain(&e))),
        Err(e) => Err(failed(&e)),
    }
}

fn run(args: &[String]) -> Option<Outcome> {
    let socket = std::env::var_os("OI_HELPER_SOCKET")
        .map_or_else(|| PathBuf::from("/run/oi-helper.sock"), PathBuf::from);
    let (command, rest) = args.split_first()?;
    Some(match command.as_str() {
        "serve" => {
            let root = PathBuf::from(options(rest)?.get("root")?);
            server::serve(&socket, &root).map(|()| String::new()).map_err(|e| failed(&e))
        }
        "public-key" if rest.is_empty() => ask(&socket, &Request::PublicKey),
        "put" if !rest.is_empty() => ask(&socket, &Request::Put(rest.concat())),
        "hash" => ask(&socket, &Request::Hash(rest.to_vec())),
        "probe" => {
            let probe = parse_probe(&options(rest)?)?;
            probe::probe(&probe).map(|()| String::new()).map_err(|e| failed(&e))
        }
        _ => return None,
    })
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(exit::USAGE)
        }
        Some(Ok(text)) => {
            print!("{text}");
            ExitCode::from(exit::DONE)
        }
        Some(Err((code, text))) => {
            eprintln!("oi-helper: {text}");
            ExitCode::from(code)
        }
    }
}
