//! What happens to connections when the network or the other process fails: through a proxy that cuts, delays, half-closes
//! and damages what passes, and with processes that fall silent.

use std::time::Duration;

use bytes::Bytes;
use raskr_cluster::{Address, CommError, Endpoint, Options, Receiver, Role, Sender, Speaks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::support::{Ends, SHORT, endpoint, listen, pair, token, with};

/// What the proxy does after so many bytes in one direction.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    None,
    /// Ends both directions as a process that is killed does.
    Cut(usize),
    /// Passes nothing on any more, without a word.
    Stall(usize),
    /// Ends this direction only.
    HalfClose(usize),
    /// Passes something else on.
    Garbage(usize),
    /// Passes one byte at a time.
    Drip,
}

/// Stands between a client and `to`; faults from the client and to it. Gives the address to connect to.
pub async fn proxy(to: &Address, from_client: Fault, to_client: Fault) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = to.clone().with_port(listener.local_addr().expect("bound").port());
    let to = to.place();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&to).await.expect("connected");
            let ((client_read, client_write), (server_read, server_write)) = (client.into_split(), server.into_split());
            tokio::spawn(async move {
                tokio::select! {
                    () = pass(client_read, server_write, from_client) => {}
                    () = pass(server_read, client_write, to_client) => {}
                }
            });
        }
    });
    address
}

/// Passes bytes on; comes back when both directions are to end.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, fault: Fault) {
    let (mut bytes, mut passed) = (vec![0; 1 << 16], 0);
    loop {
        let most = match fault {
            Fault::Cut(at) | Fault::Stall(at) | Fault::HalfClose(at) | Fault::Garbage(at) if passed < at => at - passed,
            Fault::Cut(_) => return,
            Fault::Stall(_) => std::future::pending().await,
            Fault::HalfClose(_) => {
                to.shutdown().await.expect("shut down");
                std::future::pending().await
            }
            Fault::Drip => 1,
            Fault::None | Fault::Garbage(_) => bytes.len(),
        };
        let most = most.min(bytes.len());
        let Ok(read @ 1..) = from.read(&mut bytes[..most]).await else { return };
        if matches!(fault, Fault::Garbage(at) if passed >= at) {
            bytes[..read].iter_mut().for_each(|byte| *byte = !*byte);
        }
        passed += read;
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
        if fault == Fault::Drip {
            tokio::task::yield_now().await;
        }
    }
}

async fn through(
    from_client: Fault,
    to_client: Fault,
    change: impl Fn(&mut Options),
) -> Result<(Ends, Ends), CommError> {
    let token = token();
    let client = with(endpoint(Role::Client, &token), &change);
    let server = with(endpoint(Role::Scheduler, &token), &change);
    let mut listener = listen(&server, &Address::loopback()).await;
    let by = proxy(listener.address(), from_client, to_client).await;
    let one = client.connect(&by).await?;
    let two = listener.accept().await.expect("accepted");
    Ok((one.split(), two.split()))
}

/// How many bytes pass in each direction before the first message.
const HANDSHAKE: usize = 2000;

async fn no_connection(client: &Endpoint, server: &Endpoint, from_client: Fault, to_client: Fault) -> CommError {
    let listener = listen(server, &Address::loopback()).await;
    let by = proxy(listener.address(), from_client, to_client).await;
    client.connect(&by).await.err().expect("no connection")
}

#[tokio::test]
async fn handshakes_cut_anywhere_end_in_an_error_on_both_sides() {
    let token = token();
    let (client, server) = (endpoint(Role::Client, &token), endpoint(Role::Scheduler, &token));
    for at in (0..96).step_by(7).chain([95, 96, 97]) {
        for (forth, back) in [(Fault::Cut(at), Fault::None), (Fault::None, Fault::Cut(at))] {
            let error = no_connection(&client, &server, forth, back).await;
            let known = matches!(error, CommError::Foreign { speaks: Speaks::Nothing | Speaks::Unknown, .. });
            assert!(known, "cut at {at}: {error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn handshakes_that_stall_anywhere_end_at_the_one_deadline() {
    let token = token();
    let client = with(endpoint(Role::Client, &token), |options| options.connect_timeout = Duration::from_secs(3));
    let server = endpoint(Role::Scheduler, &token);
    for at in [0, 1, 40, 64, 90] {
        for (forth, back) in [(Fault::Stall(at), Fault::None), (Fault::None, Fault::Stall(at))] {
            let begun = Instant::now();
            let error = no_connection(&client, &server, forth, back).await;
            assert!(matches!(error, CommError::Mute { .. }), "{error:?}");
            assert!(error.to_string().contains("nothing was answered within 3s"), "{error}");
            let took = begun.elapsed();
            assert!((Duration::from_secs(3)..Duration::from_secs(4)).contains(&took), "{took:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_between_messages_is_lost_and_within_one_is_truncated() {
    for (at, within) in [(100, false), (100_000, true)] {
        let ((sender, _receiver), (back, mut other)) = loop_until_open(Fault::Cut(HANDSHAKE + at)).await;
        let sends = async {
            while sender.send(&1, vec![Bytes::from(vec![1; if within { 1 << 20 } else { 0 }])]).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        let reads = async {
            loop {
                match other.recv().await {
                    Ok(message) => assert_eq!(message.expect("no clean end").header, 1),
                    Err(error) => return error,
                }
            }
        };
        let error = tokio::select! {
            error = reads => error,
            () = async { sends.await; std::future::pending().await } => unreachable!(),
        };
        match error {
            CommError::Truncated { missing, .. } => assert!(missing > 0),
            CommError::Lost { .. } => assert!(!within),
            other => panic!("{other:?}"),
        }
        drop(back);
    }
}

async fn loop_until_open(fault: Fault) -> (Ends, Ends) {
    through(fault, Fault::None, |_| ()).await.expect("connected")
}

#[tokio::test]
async fn garbage_between_messages_is_refused_and_both_directions_end() {
    let ((sender, mut receiver), (back, mut other)) = loop_until_open(Fault::Garbage(HANDSHAKE)).await;
    let sends = async {
        while sender.send(&1, vec![Bytes::from(vec![1; 500])]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let reads = async {
        loop {
            match other.recv().await {
                Ok(message) => assert!(message.is_some()),
                Err(error) => return error,
            }
        }
    };
    let ((), error) = tokio::join!(
        async {
            tokio::join!(sends, async { receiver.recv().await.expect_err("ended") });
        },
        reads
    );
    assert!(matches!(error, CommError::Malformed { .. }), "{error:?}");
    assert!(back.send(&1, vec![]).await.is_err());
}

#[tokio::test]
async fn a_half_closed_connection_is_lost_and_not_waited_for() {
    let token = token();
    let server = endpoint(Role::Scheduler, &token);
    let mut listener = listen(&server, &Address::loopback()).await;
    // All of the client's handshake passes, and no message.
    let client = endpoint(Role::Client, &token);
    let by = proxy(listener.address(), Fault::None, Fault::HalfClose(HANDSHAKE)).await;
    let (one, two) = tokio::join!(client.connect(&by), listener.accept());
    let (_sender, mut receiver): Ends = one.expect("connected").split();
    let (back, mut other): Ends = two.expect("accepted").split();
    let sends = async {
        while back.send(&1, vec![Bytes::from(vec![1; 100])]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let reads = async {
        loop {
            match receiver.recv().await {
                Ok(message) => assert!(message.is_some()),
                Err(error) => return error,
            }
        }
    };
    let error = tokio::select! {
        error = reads => error,
        () = sends => panic!("sending never ends by itself"),
    };
    assert!(matches!(error, CommError::Lost { .. } | CommError::Truncated { .. }), "{error:?}");
    drop((receiver, back));
    assert!(!matches!(other.recv().await, Ok(Some(_))));
}

#[tokio::test]
async fn a_slow_network_loses_nothing() {
    let ((sender, _receiver), (_back, mut other)) = through(Fault::Drip, Fault::None, |_| ()).await.expect("connected");
    for number in 0..5 {
        sender.send(&number, vec![Bytes::from(vec![number as u8; 2000])]).await.expect("sent");
    }
    for number in 0..5 {
        let message = other.recv().await.expect("received").expect("open");
        assert_eq!((message.header, &message.buffers[0][..]), (number, &[number as u8; 2000][..]));
    }
}

#[tokio::test]
async fn a_process_that_falls_silent_is_given_up_in_time() {
    let token = token();
    // The one side shows no sign of life, as a stopped process.
    let silent = with(endpoint(Role::Worker, &token), |options| options.heartbeat = Duration::from_secs(100_000));
    let server = endpoint(Role::Scheduler, &token);
    let (one, two) = crate::support::meet(&silent, &server, &Address::loopback()).await;
    let (_sender, _receiver): Ends = one.split();
    let (back, mut other): (Sender<u64>, Receiver<u64>) = two.split();
    tokio::time::pause();
    let begun = Instant::now();
    let error = other.recv().await.expect_err("given up");
    assert!(matches!(error, CommError::Silent { .. }), "{error:?}");
    assert!(error.to_string().contains("nothing was heard for 15s"), "{error}");
    let took = begun.elapsed();
    assert!((Duration::from_secs(14)..Duration::from_secs(16)).contains(&took), "{took:?}");
    assert!(matches!(back.send(&1, vec![]).await, Err(CommError::Silent { .. })));
}

#[tokio::test]
async fn closing_does_not_wait_for_ever_for_a_process_that_does_not_read() {
    let ((sender, _receiver), (_back, _other)) = pair(&Address::loopback(), |_| ()).await;
    while let Ok(Ok(())) = sender.try_send(&1, vec![Bytes::from(vec![0; 1 << 20])]) {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let begun = Instant::now();
    let error = sender.close(Duration::from_secs(2)).await.expect_err("not all was read");
    assert!(matches!(error, CommError::Timeout { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(sender.send(&1, vec![]).await.is_err());
}

#[tokio::test]
async fn a_process_that_is_gone_is_noticed_by_receiver_and_sender() {
    let ((sender, receiver), (back, mut other)) = pair(&Address::loopback(), |_| ()).await;
    // What the system does with the sockets of a process that is killed.
    sender.abort();
    drop((sender, receiver));
    let error = other.recv().await.expect_err("lost");
    assert!(matches!(error, CommError::Lost { .. }), "{error:?}");
    let told = back.send(&1, vec![]).await.expect_err("lost").to_string();
    assert_eq!(told, error.to_string());
    tokio::time::timeout(SHORT, back.close(SHORT)).await.expect("at once").expect_err("lost");
}

#[tokio::test]
async fn who_comes_back_after_long_gives_the_other_side_time_to_be_heard() {
    let token = token();
    let silent = with(endpoint(Role::Worker, &token), |options| options.heartbeat = Duration::from_secs(100_000));
    let server = endpoint(Role::Scheduler, &token);
    let (one, two) = crate::support::meet(&silent, &server, &Address::loopback()).await;
    let (sender, _receiver): Ends = one.split();
    let (_back, mut other): Ends = two.split();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    let ((), message) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sender.send(&5, vec![]).await.expect("sent");
        },
        other.recv()
    );
    assert_eq!(message.expect("not given up").expect("open").header, 5);
    // Looking in every so often does not put it off for ever.
    let begun = Instant::now();
    let error = loop {
        match tokio::time::timeout(Duration::from_secs(5), other.recv()).await {
            Err(_) => assert!(begun.elapsed() < Duration::from_secs(20)),
            Ok(ended) => break ended.expect_err("given up"),
        }
    };
    assert!(matches!(error, CommError::Silent { .. }), "{error:?}");
}

#[tokio::test]
async fn both_sides_agree_that_it_is_over_when_one_direction_is_cut() {
    let ((sender, mut receiver), (back, mut other)) = loop_until_open(Fault::Stall(HANDSHAKE)).await;
    sender.send(&1, vec![Bytes::from(vec![1; 2 * HANDSHAKE])]).await.expect("sent");
    tokio::time::pause();
    let begun = Instant::now();
    let (cut_off, told) = tokio::join!(
        async {
            let error = other.recv().await.expect_err("given up");
            drop((other, back));
            error
        },
        receiver.recv()
    );
    assert!(matches!(cut_off, CommError::Silent { .. }), "{cut_off:?}");
    assert!(matches!(told, Err(CommError::Lost { .. })), "{told:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(sender.send(&2, vec![]).await.is_err());
}
