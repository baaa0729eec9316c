//! Frames cut at every byte, damaged and made up: what is read is what was written, or an error.

use proptest::prelude::*;

use super::*;

pub(crate) fn cases(default: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(default),
    }
}

const LIMITS: Limits = Limits { header_bytes_max: 300_000, message_bytes_max: 1 << 20 };

#[derive(Clone, PartialEq, Eq, Debug)]
enum Frame {
    Message(Vec<u8>, Vec<Bytes>),
    Heartbeat,
    Goodbye,
}

fn bytes_of(batch: &Batch) -> Vec<u8> {
    let (mut bytes, mut from) = (Vec::new(), 0);
    for part in &batch.parts {
        bytes.extend_from_slice(&batch.bytes[from..part.at]);
        bytes.extend_from_slice(&part.bytes);
        from = part.at;
    }
    bytes.extend_from_slice(&batch.bytes[from..]);
    bytes
}

fn stream_of(frames: &[Frame]) -> Vec<u8> {
    let mut batch = Batch::default();
    for frame in frames {
        match frame {
            Frame::Message(header, buffers) => batch.push(header, buffers.clone()),
            Frame::Heartbeat => batch.push_bare(Kind::Heartbeat),
            Frame::Goodbye => batch.push_bare(Kind::Goodbye),
        }
    }
    bytes_of(&batch)
}

/// Reads a stream in pieces of these sizes, again and again.
fn read(stream: &[u8], pieces: &[usize]) -> Result<(Vec<Frame>, u64), Fault> {
    let (mut assembly, mut frames) = (Assembly::new(LIMITS), Vec::new());
    let (mut rest, mut pieces) = (stream, pieces.iter().cycle());
    loop {
        match assembly.step()? {
            Step::Message(buffers) => {
                assert!(
                    buffers.iter().all(|buffer| buffer.is_empty() || (buffer.as_ptr() as usize).is_multiple_of(64))
                );
                frames.push(Frame::Message(assembly.header().to_vec(), buffers));
            }
            Step::Heartbeat => frames.push(Frame::Heartbeat),
            Step::Goodbye => frames.push(Frame::Goodbye),
            Step::More if rest.is_empty() => return Ok((frames, assembly.missing())),
            Step::More => {
                let room = assembly.room();
                let piece = room.len().min(rest.len()).min(pieces.next().copied().unwrap_or(usize::MAX).max(1));
                room[..piece].copy_from_slice(&rest[..piece]);
                rest = &rest[piece..];
                assembly.filled(piece);
            }
        }
    }
}

fn buffer() -> impl Strategy<Value = Bytes> {
    let len = prop_oneof![8 => 0..70usize, 2 => 900..1200usize, 1 => 30_000..140_000usize];
    (len, any::<u8>())
        .prop_map(|(len, seed)| (0..len).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect::<Vec<_>>().into())
}

fn frame() -> impl Strategy<Value = Frame> {
    let header = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(any::<u8>(), 60_000..150_000),
    ];
    prop_oneof![
        8 => (header, prop::collection::vec(buffer(), 0..5)).prop_map(|(header, buffers)| Frame::Message(header, buffers)),
        1 => Just(Frame::Heartbeat),
        1 => Just(Frame::Goodbye),
    ]
}

fn small_frame() -> impl Strategy<Value = Frame> {
    let buffer = || prop::collection::vec(any::<u8>(), 0..30).prop_map(Bytes::from);
    (prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(buffer(), 0..4))
        .prop_map(|(header, buffers)| Frame::Message(header, buffers))
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn frames_are_read_as_written_in_pieces_of_any_size(
        frames in prop::collection::vec(frame(), 0..6),
        pieces in prop::collection::vec(prop_oneof![1..40usize, 1000..200_000usize], 1..20),
    ) {
        let (read, missing) = read(&stream_of(&frames), &pieces).expect("sound");
        prop_assert_eq!((read, missing), (frames, 0));
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_frames_before_and_says_that_some_is_missing(
        frames in prop::collection::vec(small_frame(), 1..4),
    ) {
        let whole = stream_of(&frames);
        let mut ends = vec![0];
        for last in 1..=frames.len() {
            ends.push(stream_of(&frames[..last]).len());
        }
        for cut in 0..=whole.len() {
            let (read, missing) = read(&whole[..cut], &[usize::MAX]).expect("sound");
            let complete = ends.iter().filter(|end| **end <= cut).count() - 1;
            prop_assert_eq!(&read[..], &frames[..complete]);
            prop_assert_eq!(missing == 0, ends.contains(&cut), "cut at {} of {}: {}", cut, whole.len(), missing);
            prop_assert!(missing <= (whole.len() - cut) as u64);
        }
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn damaged_frames_are_refused_or_are_other_frames_within_the_limits(
        frames in prop::collection::vec(small_frame(), 1..4),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..4),
        piece in 1..50usize,
    ) {
        let mut stream = stream_of(&frames);
        for (at, byte, way) in damages {
            let at = at.index(stream.len());
            match way {
                0 => stream[at] ^= byte,
                1 => stream.insert(at, byte),
                2 => stream.truncate(at.max(1)),
                _ => drop(stream.splice(at..at, [0xff; 4])),
            }
        }
        match read(&stream, &[piece]) {
            Ok((frames, _)) => {
                // Nothing is made up: all that was read stands in the stream.
                prop_assert!(stream_of(&frames).len() <= stream.len());
            }
            Err(Fault::Oversized { found, limit, .. }) => prop_assert!(found > limit),
            Err(Fault::Malformed(reason)) => prop_assert!(!reason.is_empty()),
            Err(Fault::Memory { bytes }) => prop_assert!(bytes > LIMITS.message_bytes_max, "{} bytes are there", bytes),
        }
    }

    #[test]
    fn made_up_bytes_are_refused_at_the_first_frame(bytes in prop::collection::vec(any::<u8>(), 2..64)) {
        let sound = bytes[..2] == MARK;
        prop_assert!(sound || read(&bytes, &[7]).is_err());
    }
}

#[test]
fn sizes_are_refused_before_anything_is_allocated() {
    let mut head = prefix(Kind::Message, u32::MAX, 0).to_vec();
    let oversized = |what, found, limit| Err(Fault::Oversized { what, found, limit });
    assert_eq!(read(&head, &[12]), oversized("header", u64::from(u32::MAX), 300_000));
    head = prefix(Kind::Message, 0, u32::MAX).to_vec();
    assert_eq!(read(&head, &[12]), oversized("header", 8 * u64::from(u32::MAX), 300_000));
    head = prefix(Kind::Message, 0, 2).to_vec();
    head.extend_from_slice(&u64::MAX.to_le_bytes());
    head.extend_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(read(&head, &[12]), oversized("buffers", u64::MAX, 1 << 20));
    head = prefix(Kind::Message, 0, 1).to_vec();
    head.extend_from_slice(&(1u64 << 20).to_le_bytes());
    assert_eq!(read(&head, &[12]), oversized("buffers", (1 << 20) + 8, 1 << 20));
}

#[test]
fn memory_that_the_system_does_not_have_is_an_error_and_no_end() {
    let mut assembly = Assembly::new(Limits { message_bytes_max: u64::MAX, ..LIMITS });
    let mut stream = prefix(Kind::Message, 0, 1).to_vec();
    stream.extend_from_slice(&(1u64 << 61).to_le_bytes());
    assembly.room()[..stream.len()].copy_from_slice(&stream);
    assembly.filled(stream.len());
    assert_eq!(assembly.step().err(), Some(Fault::Memory { bytes: 1 << 61 }));
}

#[test]
fn large_buffers_are_not_copied_on_their_way_out() {
    let large = Bytes::from(vec![7u8; 1 << 20]);
    let mut batch = Batch::default();
    batch.push(b"header", vec![large.clone(), Bytes::from_static(b"small")]);
    assert_eq!(batch.parts.len(), 1);
    assert_eq!(batch.parts[0].bytes.as_ptr(), large.as_ptr());
    assert!(batch.bytes.len() < 100);
}
