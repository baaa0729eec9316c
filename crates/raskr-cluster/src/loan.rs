//! Memory that a client lends to a worker of its machine, for values that are soon used up.
//!
//! A piece is a memory file that both have mapped. The client copies a value to it and says which piece it is; the worker
//! takes the value as it lies there, and says in the piece's first word when it is done with it. The same pieces serve for
//! value after value, and that is the point: pages that are new cost more than copying does (the system has to find and
//! zero them), and through a socket bytes are copied twice.
//!
//! Files are found by their numbers in the client's process, which only its own user may look into. Where that fails,
//! values go through the socket.
//! Invariants: a piece belongs to one value at a time; its file cannot shrink, so that no page is missing under the worker;
//! pieces that nobody has are emptied after a while; all end with the connection.
// `unsafe` is allowed here: mapped memory is handed out as slices, and two processes share words.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Shorter values cost little through the socket; longer ones would take too much beside themselves.
pub(crate) const LOAN_BYTES: std::ops::RangeInclusive<usize> = 1 << 20..=32 << 20;
/// Of the pieces of a connection together: two of the longest, so that one is filled while the other one is read.
const ROOM_MAX: usize = 64 << 20;
/// Before the bytes: the word that says who has them, and the file's mark. No page is larger.
const HEAD_BYTES: usize = 64 << 10;
const MARK_AT: usize = 8;
const FREE: u32 = 0;
const TAKEN: u32 = 1;

/// Where a value's bytes lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loan {
    process: u32,
    descriptor: i32,
    /// What the file begins with: another one may have got the same number.
    mark: u64,
    room: u64,
    len: u64,
}

/// Memory for one value after the other.
pub(crate) struct Piece {
    file: OwnedFd,
    map: MmapRaw,
    mark: u64,
    room: usize,
}

fn word(map: &MmapRaw) -> &AtomicU32 {
    // SAFETY: maps are a head long at least, and begin with a page; both processes only ever use it as an atomic.
    unsafe { AtomicU32::from_ptr(map.as_mut_ptr().cast()) }
}

fn mark(map: &MmapRaw) -> &AtomicU64 {
    // SAFETY: within the head, at a multiple of eight bytes; only ever used as an atomic.
    unsafe { AtomicU64::from_ptr(map.as_mut_ptr().add(MARK_AT).cast()) }
}

impl Piece {
    #[cfg(target_os = "linux")]
    fn new(room: usize, number: u64) -> io::Result<Piece> {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
        let file = File::from(memfd_create("raskr-loan", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.set_len((HEAD_BYTES + room) as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK)?;
        let map = MmapOptions::new().len(HEAD_BYTES + room).map_raw(&file)?;
        mark(&map).store(number, Ordering::Relaxed);
        Ok(Piece { file: file.into(), map, mark: number, room })
    }

    #[cfg(not(target_os = "linux"))]
    fn new(_room: usize, _number: u64) -> io::Result<Piece> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn is_free(&self) -> bool {
        word(&self.map).load(Ordering::Acquire) == FREE
    }

    /// Copies bytes, as many as there is room for, to a piece that the caller took.
    pub fn fill(&self, bytes: &[u8]) -> Loan {
        let bytes = &bytes[..bytes.len().min(self.room)];
        // SAFETY: there is room for the bytes, and nobody looks at it while the piece is the caller's.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.as_mut_ptr().add(HEAD_BYTES), bytes.len());
        }
        Loan {
            process: std::process::id(),
            descriptor: self.file.as_raw_fd(),
            mark: self.mark,
            room: self.room as u64,
            len: bytes.len() as u64,
        }
    }

    /// Gives the memory back to the system, for the worker too, which keeps the file mapped.
    fn empty(&self) {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{FallocateFlags, fallocate};
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // Where it does not work the memory stays until the connection ends.
            let _ = fallocate(&self.file, hole, HEAD_BYTES as u64, self.room as u64);
        }
    }
}

/// The client's side of a connection.
#[derive(Default)]
pub(crate) struct Lender {
    pieces: Mutex<Vec<Arc<Piece>>>,
    /// The worker can't reach them.
    refused: AtomicBool,
    /// Nothing came free while it was waited for.
    impatient: AtomicBool,
    tended: AtomicBool,
    lent: AtomicU64,
}

impl Lender {
    /// A piece with so much room, from now on taken; nothing where all are, or the system has none.
    pub fn piece(&self, len: usize) -> Option<Arc<Piece>> {
        let mut pieces = self.pieces.lock();
        let fits = pieces.iter().filter(|piece| piece.room >= len && piece.is_free()).min_by_key(|piece| piece.room);
        let piece = match fits {
            Some(piece) => Arc::clone(piece),
            None => {
                let mut room: usize = pieces.iter().map(|piece| piece.room).sum();
                // Those that are too short make way.
                pieces.retain(|piece| {
                    let stays = room + len <= ROOM_MAX || !piece.is_free();
                    if !stays {
                        room -= piece.room;
                        piece.empty();
                    }
                    stays
                });
                if room + len > ROOM_MAX {
                    return None;
                }
                let piece = Arc::new(Piece::new(len, random()?).ok()?);
                pieces.push(Arc::clone(&piece));
                piece
            }
        };
        word(&piece.map).store(TAKEN, Ordering::Relaxed);
        self.lent.fetch_add(1, Ordering::Relaxed);
        Some(piece)
    }

    /// The worker can't reach what it is lent: nothing is from now on.
    pub fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many loans there were.
    pub fn lent(&self) -> u64 {
        self.lent.load(Ordering::Relaxed)
    }

    /// Is memory that is not free now worth waiting for?
    pub fn is_patient(&self) -> bool {
        !self.impatient.load(Ordering::Relaxed)
    }

    pub fn be_patient(&self, patient: bool) {
        self.impatient.store(!patient, Ordering::Relaxed);
    }

    /// False when somebody sees already to it that memory is given back.
    pub fn begin_to_tend(&self) -> bool {
        !self.tended.swap(true, Ordering::AcqRel)
    }

    /// Gives the memory of pieces that nobody has back to the system. True when that is all: nobody has to look again before
    /// the next loan.
    pub fn empty(&self) -> bool {
        let pieces = self.pieces.lock();
        let mut all = true;
        for piece in pieces.iter() {
            match piece.is_free() {
                true => piece.empty(),
                false => all = false,
            }
        }
        if all {
            self.tended.store(false, Ordering::Release);
        }
        all
    }
}

fn random() -> Option<u64> {
    use ring::rand::SecureRandom;
    let mut bytes = [0; 8];
    ring::rand::SystemRandom::new().fill(&mut bytes).ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// Bytes of a piece, which is free again when the last of them are dropped.
struct Borrowed {
    map: Arc<MmapRaw>,
    len: usize,
}

impl AsRef<[u8]> for Borrowed {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the map has so many bytes behind its head, the file can't shrink, and who lent them does not write to
        // them until the word says that they are free.
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr().add(HEAD_BYTES), self.len) }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        word(&self.map).store(FREE, Ordering::Release);
    }
}

/// The worker's side of a connection.
#[derive(Default)]
pub(crate) struct Borrower {
    mapped: HashMap<u64, Arc<MmapRaw>>,
}

impl Borrower {
    /// The bytes of a loan.
    pub fn take(&mut self, loan: &Loan) -> io::Result<Bytes> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        if loan.len > loan.room || !LOAN_BYTES.contains(&usize::try_from(loan.room).map_err(|_| invalid())?) {
            return Err(invalid());
        }
        let map = match self.mapped.get(&loan.mark) {
            Some(map) => Arc::clone(map),
            None => {
                let map = Arc::new(map(loan)?);
                self.mapped.insert(loan.mark, Arc::clone(&map));
                map
            }
        };
        if map.len() < HEAD_BYTES + loan.len as usize {
            return Err(invalid());
        }
        Ok(Bytes::from_owner(Borrowed { map, len: loan.len as usize }))
    }
}

#[cfg(target_os = "linux")]
fn map(loan: &Loan) -> io::Result<MmapRaw> {
    use rustix::fs::{SealFlags, fcntl_get_seals};
    let path = format!("/proc/{}/fd/{}", loan.process, loan.descriptor);
    let file = File::options().read(true).write(true).open(path)?;
    let len = HEAD_BYTES + loan.room as usize;
    // Files that are no memory files have no seals.
    if !fcntl_get_seals(&file)?.contains(SealFlags::SHRINK) || file.metadata()?.len() != len as u64 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let map = MmapOptions::new().len(len).map_raw(&file)?;
    if mark(&map).load(Ordering::Relaxed) != loan.mark {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(map)
}

#[cfg(not(target_os = "linux"))]
fn map(_loan: &Loan) -> io::Result<MmapRaw> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
#[path = "loan_tests.rs"]
mod tests;
