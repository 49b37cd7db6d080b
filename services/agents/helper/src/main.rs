//! `oi-helper`: see the library. Exit codes: 0 done, 1 failed, 2 wrong usage.

use oi_helper::{
    Probe, ask_kube, ask_public_key, ask_put, ask_read, chain, console, directories,
    kill_container, listening, probe, serve,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: oi-helper serve --root DIR
       oi-helper public-key
       oi-helper put BASE64...
       oi-helper read KEY OFFSET LENGTH PATH
       oi-helper kube BASE64...
       oi-helper cpus
       oi-helper directories --root DIR
       oi-helper listening --address IP
       oi-helper kill --container ID
       oi-helper console --socket PATH --command TEXT
       oi-helper probe --address IP:PORT --path /PATH [--ca FILE] [--cert FILE --key FILE] --timeout SECONDS
The unix socket between them is $OI_HELPER_SOCKET, /oi-helper.sock by default.";

fn options(args: &[String]) -> Option<BTreeMap<&str, &str>> {
    let pairs = args.chunks(2).map(|pair| match pair {
        [name, value] => Some((name.strip_prefix("--")?, value.as_str())),
        _ => None,
    });
    pairs.collect()
}

fn parse_probe(options: &BTreeMap<&str, &str>) -> Option<Probe> {
    let file = |name| options.get(name).map(PathBuf::from);
    let Ok(address) = options.get("address")?.parse() else { return None };
    let Ok(seconds) = options.get("timeout")?.parse() else { return None };
    Some(Probe {
        address,
        path: options.get("path").filter(|p| p.starts_with('/'))?.to_string(),
        ca: file("ca"),
        client: file("cert").zip(file("key")),
        timeout: Duration::from_secs(seconds),
    })
}

fn run(args: &[String]) -> Option<Result<(), Box<dyn std::error::Error>>> {
    let socket = std::env::var_os("OI_HELPER_SOCKET")
        .map_or_else(|| PathBuf::from("/oi-helper.sock"), PathBuf::from);
    let (command, rest) = args.split_first()?;
    let print = |text: String| println!("{text}");
    Some(match command.as_str() {
        "serve" => {
            let root = PathBuf::from(options(rest)?.get("root")?);
            serve(&socket, &root).map_err(Into::into)
        }
        "public-key" => ask_public_key(&socket).map(print).map_err(Into::into),
        "put" => ask_put(&socket, &rest.concat()).map(print).map_err(Into::into),
        "kube" => ask_kube(&socket, &rest.concat()).map(print).map_err(Into::into),
        "read" => ask_read(&socket, &rest.join(" ")).map(print).map_err(Into::into),
        "cpus" => {
            std::thread::available_parallelism().map(|n| print(n.to_string())).map_err(Into::into)
        }
        "directories" => {
            let found = directories(&PathBuf::from(options(rest)?.get("root")?));
            found.map(|all| print(all.join("\n"))).map_err(Into::into)
        }
        "listening" => {
            let Ok(address) = options(rest)?.get("address")?.parse() else { return None };
            let lines =
                |all: BTreeSet<u16>| all.iter().map(|p| format!("{p}\n")).collect::<String>();
            listening(address).map(|all| print(lines(all))).map_err(Into::into)
        }
        "kill" => {
            let options = options(rest)?;
            let count = kill_container(options.get("container")?);
            count.map(|n| print(n.to_string())).map_err(Into::into)
        }
        "console" => {
            let options = options(rest)?;
            let socket = PathBuf::from(options.get("socket")?);
            console(&socket, options.get("command")?).map(print).map_err(Into::into)
        }
        "probe" => probe(&parse_probe(&options(rest)?)?).map(print).map_err(Into::into),
        _ => return None,
    })
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("oi-helper: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
