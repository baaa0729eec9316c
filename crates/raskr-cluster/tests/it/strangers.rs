//! Those who are not of the cluster: wrong tokens, other programs, silence, floods; and what is logged of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use raskr_cluster::{Address, CommError, Endpoint, Role, Speaks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::support::{SHORT, addresses, endpoint, listen, token, with};

async fn refused(client: &Endpoint, address: &Address) -> CommError {
    client.connect(address).await.err().expect("kept out")
}

#[tokio::test]
async fn another_token_is_refused_on_every_transport() {
    let server = endpoint(Role::Scheduler, &token());
    for address in &addresses()[..3] {
        let mut listener = listen(&server, address).await;
        let error = refused(&endpoint(Role::Client, &token()), listener.address()).await;
        assert!(matches!(error, CommError::WrongToken { .. }), "{error:?}");
        let accepted = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(accepted.is_err(), "nobody was let in");
    }
}

#[tokio::test]
async fn nothing_that_listens_is_told_at_once() {
    let client = endpoint(Role::Client, &token());
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = socket.local_addr().expect("bound").port();
    drop(socket);
    for address in ["tcp://127.0.0.1:0", "tls://127.0.0.1:0"] {
        let address = address.parse::<Address>().expect("an address").with_port(port);
        let error = refused(&client, &address).await;
        assert!(matches!(error, CommError::Refused { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("{address}: connection refused: nothing listens there"));
    }
    for address in ["unix:///nowhere/socket", "inproc://nobody"] {
        let error = refused(&client, &address.parse().expect("an address")).await;
        assert!(matches!(error, CommError::Refused { .. }), "{error:?}");
    }
    let error = refused(&client, &"tls://no-such-host.invalid:1".parse().expect("an address")).await;
    assert!(matches!(error, CommError::Resolve { .. }), "{error:?}");
}

/// Listens, and answers every connection with these bytes once something came.
async fn other_program(answer: &'static [u8]) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 1024];
                let _ = stream.read(&mut bytes).await;
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
                while let Ok(1..) = stream.read(&mut bytes).await {}
            });
        }
    });
    Address::loopback().with_port(port)
}

#[tokio::test]
async fn other_programs_are_recognised() {
    let client = endpoint(Role::Client, &token());
    let http = other_program(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let error = refused(&client, &http).await;
    assert_eq!(error.to_string(), format!("{http}: answers like HTTP: is this the dashboard's port?"));
    let over_tls = Address::Tls(http.host().expect("a host").clone());
    let error = refused(&client, &over_tls).await;
    assert!(matches!(error, CommError::Foreign { speaks: Speaks::Plain, .. }), "{error:?}");
    for (answer, found) in [(&b"SSH-2.0-x\r\n"[..], Speaks::Ssh), (b"", Speaks::Nothing), (b"hello", Speaks::Unknown)] {
        let error = refused(&client, &other_program(answer).await).await;
        assert!(matches!(error, CommError::Foreign { speaks, .. } if speaks == found), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn plain_and_tls_are_told_apart_both_ways() {
    let token = token();
    let (client, server) = (endpoint(Role::Client, &token), endpoint(Role::Scheduler, &token));
    let [plain, tls, ..] = addresses();
    let listener = listen(&server, &plain).await;
    let host = listener.address().host().expect("a host").clone();
    let error = refused(&client, &Address::Tls(host)).await;
    assert!(matches!(error, CommError::Foreign { speaks: Speaks::Plain, .. }), "{error:?}");
    assert!(error.to_string().contains("say tcp:// in place of tls://"), "{error}");
    let listener = listen(&server, &tls).await;
    let host = listener.address().host().expect("a host").clone();
    let error = refused(&client, &Address::Tcp(host)).await;
    assert!(matches!(error, CommError::Foreign { speaks: Speaks::Tls, .. }), "{error:?}");
    assert!(error.to_string().contains("say tls:// in place of tcp://"), "{error}");
}

#[tokio::test]
async fn a_browser_is_told_that_this_is_the_wrong_port() {
    let listener = listen(&endpoint(Role::Scheduler, &token()), &Address::loopback()).await;
    let mut browser = TcpStream::connect(listener.address().place()).await.expect("connected");
    browser.write_all(b"GET /status HTTP/1.1\r\nHost: localhost:8786\r\nAccept: */*\r\n\r\n").await.expect("asked");
    let mut answer = String::new();
    browser.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("the dashboard has another one"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_program_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let client = with(endpoint(Role::Client, &token()), |options| options.connect_timeout = Duration::from_secs(2));
    for address in ["tcp://127.0.0.1:0", "tls://127.0.0.1:0"] {
        let address = address.parse::<Address>().expect("an address").with_port(port);
        let begun = Instant::now();
        let error = refused(&client, &address).await;
        assert!(matches!(error, CommError::Mute { .. }), "{error:?}");
        assert_eq!(error.class(), raskr_base::ErrorClass::Timeout);
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_do_not_show_who_they_are_are_dropped_in_time() {
    let listener = listen(&endpoint(Role::Scheduler, &token()), &Address::loopback()).await;
    let mut stranger = TcpStream::connect(listener.address().place()).await.expect("connected");
    stranger.write_all(b"RASKR").await.expect("written");
    let begun = Instant::now();
    // The end may come as a reset: what it was is all the same.
    let _ = stranger.read(&mut [0; 10]).await;
    let took = begun.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&took), "{took:?}");
}

fn allow_files(files: u64) -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    limit.current.is_none_or(|current| current >= files)
        || setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: limit.maximum }).is_ok()
}

#[tokio::test]
async fn a_thousand_idle_strangers_keep_nobody_out() {
    assert!(allow_files(3000), "this test opens 1,300 files: raise the hard limit (ulimit -Hn)");
    let token = token();
    for address in &addresses()[..2] {
        let mut listener = listen(&endpoint(Role::Scheduler, &token), address).await;
        let mut strangers = Vec::new();
        for number in 0..1000 {
            let mut stranger = TcpStream::connect(listener.address().place()).await.expect("connected");
            if number % 2 == 0 {
                let _ = stranger.write_all(b"RASKR WIRE 1\r\n").await;
            }
            strangers.push(stranger);
        }
        let client = endpoint(Role::Client, &token);
        let to = listener.address().clone();
        let begun = std::time::Instant::now();
        let (one, two) = tokio::join!(client.connect(&to), listener.accept());
        drop((one.expect("connected"), two.expect("accepted")));
        assert!(begun.elapsed() < client.options.connect_timeout);
    }
}

#[tokio::test]
async fn members_that_come_all_at_once_are_all_let_in() {
    let token = token();
    let server = with(endpoint(Role::Scheduler, &token), |options| options.unknown_max = 4);
    for address in addresses() {
        let mut listener = listen(&server, &address).await;
        let client = endpoint(Role::Worker, &token);
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (client, to) = (client.clone(), listener.address().clone());
                tokio::spawn(async move { client.connect(&to).await })
            })
            .collect();
        let mut accepted = Vec::new();
        for _ in 0..100 {
            accepted.push(listener.accept().await.expect("accepted"));
        }
        for task in tasks {
            task.await.expect("done").expect("let in");
        }
    }
}

/// Counts warnings, and keeps the last.
#[derive(Clone, Default)]
struct Log(Arc<AtomicUsize>, Arc<std::sync::Mutex<String>>);

struct Text(String);

impl tracing::field::Visit for Text {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN && metadata.target().starts_with("raskr_cluster")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.fetch_add(1, Ordering::Relaxed);
        *self.1.lock().expect("free") = text.0;
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn strangers_are_logged_once_in_ten_seconds_with_counts() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = listen(&endpoint(Role::Scheduler, &token()), &Address::loopback()).await;
        let client = endpoint(Role::Client, &token());
        for _ in 0..20 {
            refused(&client, listener.address()).await;
        }
        assert_eq!(log.0.load(Ordering::Relaxed), 1);
        tokio::time::pause();
        tokio::time::advance(SHORT).await;
        tokio::time::resume();
        refused(&client, listener.address()).await;
        while log.0.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        let text = log.1.lock().expect("free").clone();
        // The server hears of the last ones a little later than the client.
        assert!((15..20).any(|count| text.contains(&format!("left_out={count}"))), "{text}");
        assert!(text.contains("has another token"), "{text}");
    });
}
