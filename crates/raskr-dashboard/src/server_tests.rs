//! Connections that take nothing lose their place.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::connections::CONNECTIONS_MAX;
use crate::source::Snapshot;

const LIMIT: Duration = Duration::from_secs(30);

struct Nothing;

impl Source for Nothing {
    fn snapshot(&self, _since: u64, _most: usize) -> Option<Snapshot> {
        Some(Snapshot::default())
    }
}

/// Strangers have a moment, friends an age.
fn start() -> Dashboard {
    let patience = Patience { strangers: Duration::from_millis(100), friends: LIMIT * 100 };
    let options = Options { token: Some("abc".into()), name: "test".into(), ..Options::default() };
    serve(":0", Arc::new(Nothing), options, patience).expect("a dashboard")
}

fn connect(dashboard: &Dashboard) -> TcpStream {
    let stream = TcpStream::connect(dashboard.address()).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream
}

#[test]
fn strangers_that_send_nothing_or_drop_by_drop_are_closed() {
    let dashboard = start();
    let mut silent = connect(&dashboard);
    assert_eq!(silent.read(&mut [0; 1]).expect("closed"), 0);
    let mut slow = connect(&dashboard);
    // Every byte is progress in reading, which does not count.
    let fed = std::iter::repeat_with(|| slow.write_all(b"G").and_then(|()| slow.flush()));
    assert!(fed.take(1 << 30).any(|sent| sent.is_err()), "the connection was closed on it");
}

#[test]
fn friends_keep_their_connection_and_strangers_dont() {
    let dashboard = start();
    let ask = |stream: &mut TcpStream, cookie: &str| {
        let request = format!("GET /page.css HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut head = [0; 12];
        stream.read_exact(&mut head).expect("an answer");
        String::from_utf8_lossy(&head).into_owned()
    };
    let mut stranger = connect(&dashboard);
    assert_eq!(ask(&mut stranger, "raskr-test=x"), "HTTP/1.1 401");
    stranger.read_to_end(&mut Vec::new()).expect("closed after the answer");
    let mut friend = connect(&dashboard);
    assert_eq!(ask(&mut friend, "raskr-test=abc"), "HTTP/1.1 200");
    // A stranger that comes later is closed for its silence while the friend still has its place.
    assert_eq!(connect(&dashboard).read(&mut [0; 1]).expect("closed"), 0);
    friend.set_nonblocking(true).expect("a socket");
    let mut rest = vec![0; 1 << 20];
    let end = std::iter::repeat_with(|| friend.read(&mut rest)).take(1000).find(|read| !matches!(read, Ok(1..)));
    assert_eq!(end.expect("the answer ends").expect_err("not closed").kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn more_strangers_than_places_keep_nobody_out_for_long() {
    let dashboard = start();
    let _idle: Vec<TcpStream> = (0..CONNECTIONS_MAX + 20).map(|_| connect(&dashboard)).collect();
    let mut stream = connect(&dashboard);
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
}
