//! Messages between processes, whole and damaged: what can't be read is an error, and nothing worse. `make fuzz` runs these
//! for many more cases.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use proptest::prelude::*;
use raskr_exec::pool::message::{
    Body, BufferPlace, CallMessage, Ended, Message, buffers_of, decode, encode, receive, send,
};

fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(20_000),
    }
}

fn body() -> impl Strategy<Value = Body> {
    let bytes = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(any::<u8>(), 200..2000),
    ];
    (bytes, prop::collection::vec(any::<u64>(), 0..4))
        .prop_map(|(bytes, buffers)| Body { bytes: Arc::new(bytes.into()), buffers })
}

fn call() -> impl Strategy<Value = CallMessage> {
    (any::<u32>(), prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(body(), 0..3))
        .prop_map(|(id, call, inputs)| CallMessage { id, call, inputs })
}

fn ended() -> impl Strategy<Value = Ended> {
    (any::<u32>(), any::<u64>(), prop_oneof![body().prop_map(Ok), body().prop_map(Err)])
        .prop_map(|(id, nanoseconds, outcome)| Ended { id, nanoseconds, outcome })
}

fn place() -> impl Strategy<Value = BufferPlace> {
    let number = || prop_oneof![0..100_000u64, any::<u64>()];
    (any::<u64>(), number(), number()).prop_map(|(id, start, len)| BufferPlace { id, start, len })
}

fn message() -> impl Strategy<Value = Message> {
    let ids = || prop::collection::vec(any::<u64>(), 0..5);
    prop_oneof![
        body().prop_map(Message::Setup),
        (any::<u64>(), body()).prop_map(|(id, body)| Message::Known { id, body }),
        (body(), prop::collection::vec(call(), 0..6)).prop_map(|(shared, calls)| Message::Batch { shared, calls }),
        Just(Message::Retract),
        any::<u32>().prop_map(Message::PassOn),
        (any::<u32>(), any::<bool>()).prop_map(|(id, away)| Message::Away { id, away }),
        (ids(), ids()).prop_map(|(known, buffers)| Message::Forget { known, buffers }),
        prop::option::of(body()).prop_map(Message::Ready),
        body().prop_map(Message::Unreadable),
        prop::collection::vec(ended(), 0..6).prop_map(Message::Ended),
        prop::collection::vec(any::<u32>(), 0..6).prop_map(Message::Retracted),
        prop::collection::vec(place(), 0..6).prop_map(Message::Buffers),
    ]
}

/// What may happen to bytes on their way; places are taken modulo their number.
#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
    /// A number that says that much follows.
    Exaggerate(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = || any::<usize>();
    prop_oneof![
        (place(), 1..=u8::MAX).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (place(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (place(), 1..20usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        (place(), 1..20usize).prop_map(|(at, len)| Damage::Repeat(at, len)),
        place().prop_map(Damage::Cut),
        place().prop_map(Damage::Exaggerate),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let place = |at: usize| at % (bytes.len() + 1);
        match damage {
            Damage::Flip(at, bits) => {
                let at = place(*at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Damage::Insert(at, new) => {
                let at = place(*at);
                bytes.splice(at..at, new.iter().copied());
            }
            Damage::Remove(at, len) => {
                let at = place(*at);
                bytes.drain(at..(at + len).min(bytes.len()));
            }
            Damage::Repeat(at, len) => {
                let at = place(*at);
                let part = bytes[at..(at + len).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            Damage::Cut(at) => bytes.truncate(place(*at)),
            Damage::Exaggerate(at) => {
                let at = place(*at);
                bytes.splice(at..at, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
            }
        }
    }
    bytes
}

/// What is sent for a message, header included.
fn on_the_stream(message: &Message) -> Vec<u8> {
    let (here, there) = UnixStream::pair().expect("a pair");
    send(&here, message).expect("short enough for the socket");
    drop(here);
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut &there, &mut bytes).expect("read");
    bytes
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn messages_are_read_as_they_were_written(message in message()) {
        prop_assert_eq!(decode(&encode(&message).expect("encoded")).expect("decoded"), message);
    }

    #[test]
    fn damaged_messages_are_refused_or_are_other_messages(
        message in message(),
        damages in prop::collection::vec(damage(), 1..5),
    ) {
        let bytes = damaged(encode(&message).expect("encoded"), &damages);
        if let Ok(other) = decode(&bytes) {
            // All that was read stands in the bytes: nothing is made up, and nothing is larger than what was sent.
            let again = encode(&other).expect("encoded");
            prop_assert!(again.len() <= bytes.len());
            prop_assert_eq!(decode(&again).expect("decoded"), other);
        }
    }

    #[test]
    fn bytes_of_no_message_are_refused_or_are_messages(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = decode(&bytes) {
            prop_assert!(encode(&message).expect("encoded").len() <= bytes.len());
        }
    }

    #[test]
    fn damaged_streams_end(
        messages in prop::collection::vec(message(), 1..4),
        damages in prop::collection::vec(damage(), 0..4),
    ) {
        let whole: Vec<u8> = messages.iter().flat_map(on_the_stream).collect();
        let (here, there) = UnixStream::pair().expect("a pair");
        (&here).write_all(&damaged(whole, &damages)).expect("written");
        drop(here);
        let mut read = 0;
        let end = loop {
            match receive(&there) {
                Ok(Some(_)) => read += 1,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if damages.is_empty() {
            prop_assert!(end.is_ok());
            prop_assert_eq!(read, messages.len());
        }
    }

    #[test]
    fn buffers_lie_within_their_files(places in prop::collection::vec(place(), 0..4), sizes in prop::collection::vec(0..200_000u64, 0..4)) {
        let files: Vec<OwnedFd> = sizes.iter().map(|&size| file_of(size).into()).collect();
        if let Ok(buffers) = buffers_of(&places, files) {
            prop_assert_eq!(buffers.len(), places.len());
            for ((buffer, place), &size) in buffers.iter().zip(&places).zip(&sizes) {
                prop_assert!(place.start + place.len <= size);
                // Reading beyond the file would end the process.
                prop_assert!(buffer.as_slice().iter().all(|&byte| byte == 7));
            }
        }
    }
}

fn file_of(size: u64) -> File {
    let mut file = tempfile();
    file.write_all(&vec![7; size as usize]).expect("written");
    file.rewind().expect("at its beginning");
    file
}

/// A file without a name.
fn tempfile() -> File {
    let path =
        std::env::temp_dir().join(format!("raskr-messages-{}-{:?}", std::process::id(), std::thread::current().id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path).expect("a file");
    std::fs::remove_file(&path).expect("removed");
    file
}
