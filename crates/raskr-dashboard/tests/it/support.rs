//! A cluster that is made up, and HTTP by hand, so that tests see every byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use raskr_dashboard::{Cluster, Dashboard, Group, LogLine, Options, Ran, Snapshot, Source, States, Worker};

pub const TOKEN: &str = "0123456789abcdef";
const LIMIT: Duration = Duration::from_secs(30);

/// Notes when it is asked; a task ends whenever it is.
#[derive(Default)]
pub struct MadeUp {
    pub asked: Mutex<Vec<Instant>>,
    pub gone: AtomicBool,
    /// Makes snapshots large.
    pub groups: AtomicUsize,
}

impl Source for MadeUp {
    fn snapshot(&self, since: u64, most: usize) -> Option<Snapshot> {
        let mut asked = self.asked.lock().expect("a lock");
        asked.push(Instant::now());
        if self.gone.load(Ordering::SeqCst) {
            return None;
        }
        let number = asked.len() as u64;
        let ran = (since + 1..=number).take(most).map(|number| Ran {
            number,
            key: format!("<script>-{number}"),
            group: "<script>".into(),
            worker: "w0".into(),
            start: number as f64,
            stop: number as f64 + 0.5,
            failed: false,
        });
        let group = |n: usize| Group {
            name: format!("group {n} </script>"),
            tasks: States { memory: 7, ..States::default() },
            mean: 0.25,
        };
        Some(Snapshot {
            time: 100.0 + number as f64,
            cluster: Cluster { id: "c1".into(), address: "tcp://127.0.0.1:1".into(), ..Cluster::default() },
            workers: vec![Worker {
                name: "w0".into(),
                address: "tcp://127.0.0.1:2".into(),
                threads: 2,
                ..Worker::default()
            }],
            tasks: States { memory: 7, ..States::default() },
            groups: (0..self.groups.load(Ordering::SeqCst).max(1)).map(group).collect(),
            log: vec![LogLine { time: 1.0, level: "info".into(), text: "<b>hello</b>".into() }],
            ran: ran.collect(),
            ..Snapshot::default()
        })
    }
}

pub fn start() -> (Dashboard, Arc<MadeUp>) {
    start_with(Options::default())
}

pub fn start_with(options: Options) -> (Dashboard, Arc<MadeUp>) {
    let source = Arc::new(MadeUp::default());
    let options = Options { token: Some(TOKEN.into()), name: "test".into(), ..options };
    (Dashboard::start(":0", source.clone(), options).expect("a dashboard"), source)
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream.set_write_timeout(Some(LIMIT)).expect("a limit");
    stream
}

/// Sends a request as it is, with lines of headers beside `Connection: close`, and reads the whole answer.
pub fn ask_as_it_is(address: SocketAddr, first: &str, lines: &[&str]) -> Answer {
    let mut stream = connect(address);
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    stream.write_all(format!("{first} HTTP/1.1\r\nConnection: close\r\n{lines}\r\n").as_bytes()).expect("sent");
    let mut reader = BufReader::new(stream);
    let (status, headers) = head(&mut reader);
    let mut body = String::new();
    reader.read_to_string(&mut body).expect("the answer");
    Answer { status, headers, body }
}

/// `GET` with a proper `Host`.
pub fn get(address: SocketAddr, path: &str, lines: &[&str]) -> Answer {
    let host = format!("Host: {address}");
    ask_as_it_is(address, &format!("GET {path}"), &[&[host.as_str()], lines].concat())
}

/// The same with the token's cookie.
pub fn get_as_friend(address: SocketAddr, path: &str) -> Answer {
    get(address, path, &[&format!("Cookie: raskr-test={TOKEN}")])
}

fn head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    };
    let first = line();
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{first:?}"));
    let mut headers = Vec::new();
    loop {
        let next = line();
        match next.split_once(": ") {
            Some((name, value)) => headers.push((name.to_lowercase(), value.to_owned())),
            None => return (status, headers),
        }
    }
}

/// A page's stream of events.
pub struct Events {
    reader: BufReader<TcpStream>,
}

impl Events {
    pub fn open(address: SocketAddr) -> Events {
        let mut stream = connect(address);
        let request = format!(
            "GET /events HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: raskr-test={TOKEN}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut reader = BufReader::new(stream);
        let (status, headers) = head(&mut reader);
        assert_eq!(status, 200);
        assert!(headers.contains(&("content-type".into(), "text/event-stream; charset=utf-8".into())), "{headers:?}");
        Events { reader }
    }

    /// The next event's name and data; `None` at the end.
    pub fn next(&mut self) -> Option<(String, serde_json::Value)> {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(given) = line.strip_prefix("event: ") {
                name = given.trim_end().to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).expect("JSON on one line")));
            }
        }
    }

    pub fn next_of(&mut self, wanted: &str) -> serde_json::Value {
        loop {
            let (name, data) = self.next().unwrap_or_else(|| panic!("the stream ended without {wanted}"));
            if name == wanted {
                return data;
            }
        }
    }
}
