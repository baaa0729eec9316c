//! What the wire costs: small messages a second, round trips, and bulk data beside plain copies of memory. Both ends have a
//! thread of their own, as two processes would.
#![allow(clippy::print_stdout, clippy::expect_used)]

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raskr_cluster::{Address, Connection, Endpoint, Receiver, Role, Security, Sender, Token};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

const MESSAGES: u64 = 1_000_000;
const ROUND_TRIPS: u64 = 20_000;
const BULK_BYTES: usize = 64 << 20;
const BULK_MESSAGES: u64 = 24;
const RUNS: usize = 3;

type Ends = (Sender<(u64, u32)>, Receiver<(u64, u32)>);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Runs both sides on threads of their own; the first one's seconds, the best of several.
fn measure<A, B>(address: &Address, first: fn(Ends) -> A, second: fn(Ends) -> B) -> f64
where
    A: Future<Output = Ends>,
    B: Future<Output = Ends> + 'static,
{
    let once = || {
        let security = Security::new(Token::random().expect("random"));
        let endpoint = |role| Endpoint::new(role, security.clone());
        let (client, server, address) = (endpoint(Role::Client), endpoint(Role::Worker), address.clone());
        let (bound, to) = oneshot::channel();
        let other = thread::spawn(move || {
            runtime().block_on(async {
                let mut listener = server.listen(&address).await.expect("listening");
                bound.send(listener.address().clone()).expect("told");
                let connection: Connection = listener.accept().await.expect("accepted");
                let (sender, receiver) = second(connection.split()).await;
                // The other side may be gone by now: it has all that it waited for.
                let _ = sender.close(Duration::from_secs(10)).await;
                drop(receiver);
            });
        });
        let seconds = runtime().block_on(async {
            let ends: Ends = client.connect(&to.await.expect("bound")).await.expect("connected").split();
            let begun = Instant::now();
            let ends = first(ends).await;
            let seconds = begun.elapsed().as_secs_f64();
            drop(ends);
            seconds
        });
        other.join().expect("done");
        seconds
    };
    (0..RUNS).map(|_| once()).fold(f64::INFINITY, f64::min)
}

/// Connections a second, handshakes included, one after the other.
fn connections(address: &Address) -> f64 {
    const CONNECTIONS: u32 = 500;
    runtime().block_on(async {
        let security = Security::new(Token::random().expect("random"));
        let mut listener = Endpoint::new(Role::Scheduler, security.clone()).listen(address).await.expect("listening");
        let (client, to) = (Endpoint::new(Role::Client, security), listener.address().clone());
        let begun = Instant::now();
        for _ in 0..CONNECTIONS {
            let (one, two) = tokio::join!(client.connect(&to), listener.accept());
            drop((one.expect("connected"), two.expect("accepted")));
        }
        f64::from(CONNECTIONS) / begun.elapsed().as_secs_f64()
    })
}

async fn send_many((sender, mut receiver): Ends) -> Ends {
    for number in 0..MESSAGES {
        sender.send(&(number, 7), vec![]).await.expect("sent");
    }
    receiver.recv().await.expect("answered");
    (sender, receiver)
}

async fn receive_many((sender, mut receiver): Ends) -> Ends {
    for number in 0..MESSAGES {
        let message = receiver.recv().await.expect("received").expect("open");
        assert_eq!(message.header.0, number);
    }
    sender.send(&(0, 0), vec![]).await.expect("sent");
    (sender, receiver)
}

async fn ask((sender, mut receiver): Ends) -> Ends {
    for number in 0..ROUND_TRIPS {
        sender.send(&(number, 7), vec![]).await.expect("sent");
        receiver.recv().await.expect("answered");
    }
    (sender, receiver)
}

async fn answer((sender, mut receiver): Ends) -> Ends {
    for _ in 0..ROUND_TRIPS {
        let message = receiver.recv().await.expect("received").expect("open");
        sender.send(&message.header, vec![]).await.expect("sent");
    }
    (sender, receiver)
}

async fn send_bulk((sender, mut receiver): Ends) -> Ends {
    let buffer = Bytes::from(vec![1u8; BULK_BYTES]);
    for number in 0..BULK_MESSAGES {
        sender.send(&(number, 0), vec![buffer.clone()]).await.expect("sent");
        // One on its way and one being taken.
        if number > 0 {
            receiver.recv().await.expect("answered");
        }
    }
    receiver.recv().await.expect("answered");
    (sender, receiver)
}

async fn receive_bulk((sender, mut receiver): Ends) -> Ends {
    for number in 0..BULK_MESSAGES {
        let message = receiver.recv().await.expect("received").expect("open");
        black_box(&message.buffers[0]);
        sender.send(&(number, 0), vec![]).await.expect("sent");
    }
    (sender, receiver)
}

/// The same, but all is kept, so that no memory serves twice, and every byte is looked at.
async fn keep_bulk((sender, mut receiver): Ends) -> Ends {
    let mut kept = Vec::new();
    for number in 0..BULK_MESSAGES {
        let message = receiver.recv().await.expect("received").expect("open");
        black_box(sum(&message.buffers[0]));
        kept.push(message);
        sender.send(&(number, 0), vec![]).await.expect("sent");
    }
    (sender, receiver)
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes"))).fold(0, u64::wrapping_add)
}

/// Gigabytes a second of copies to memory that was written to before; or to new memory, all of which is kept and read.
fn copies(fresh: bool) -> f64 {
    let (from, mut to) = (vec![1u8; BULK_BYTES], vec![2u8; BULK_BYTES]);
    let mut once = || {
        let mut kept = Vec::new();
        let begun = Instant::now();
        for _ in 0..BULK_MESSAGES {
            if fresh {
                kept.push(from.clone());
                black_box(kept.last().map(|bytes| sum(bytes)));
            } else {
                to.copy_from_slice(&from);
                black_box(&to);
            }
        }
        begun.elapsed().as_secs_f64()
    };
    let seconds = (0..RUNS).map(|_| once()).fold(f64::INFINITY, f64::min);
    (BULK_BYTES as u64 * BULK_MESSAGES) as f64 / 1e9 / seconds
}

fn main() {
    let path = std::env::temp_dir().join(format!("raskr-bench-{}", std::process::id()));
    let address = |text: &str| text.parse().expect("an address");
    let rows: [(&str, Address); 4] = [
        ("tcp", address("tcp://127.0.0.1:0")),
        ("tls", address("tls://127.0.0.1:0")),
        ("unix", Address::Unix(path)),
        ("inproc", address("inproc://bench")),
    ];
    println!(
        "{:16} {:>14} {:>14} {:>14} {:>12} {:>16}",
        "transport", "connections/s", "messages/s", "round trip us", "bulk GB/s", "kept, read GB/s"
    );
    let gigabytes = (BULK_BYTES as u64 * BULK_MESSAGES) as f64 / 1e9;
    for (name, address) in rows {
        let small = MESSAGES as f64 / measure(&address, send_many, receive_many);
        let trip = measure(&address, ask, answer) / ROUND_TRIPS as f64 * 1e6;
        let bulk = gigabytes / measure(&address, send_bulk, receive_bulk);
        let read = gigabytes / measure(&address, send_bulk, keep_bulk);
        let connected = connections(&address);
        println!("{name:16} {connected:>14.0} {small:>14.0} {trip:>14.1} {bulk:>12.2} {read:>16.2}");
    }
    println!("{:60} {:>14.2} {:>16.2}", "copy of memory", copies(false), copies(true));
}
