//! Buffers in memory files, which processes share without copying.
// `unsafe` is allowed here: mapped memory is handed out as slices, and pages of a caller's own memory are replaced.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// Buffers from this size on travel in memory files; below it a copy through the socket is cheaper.
pub const SHARED_BYTES_MIN: usize = 64 << 10;
/// Shorter buffers that were received give their file back: their copy costs less than a file that stays open.
const FILE_BYTES_MIN: usize = 1 << 20;
/// How much is copied before the pages that it came from are given back, when memory is moved.
const MOVE_BYTES: usize = 16 << 20;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Bytes in a memory file that lives as long as a process has it open or mapped.
pub struct SharedBuffer {
    id: u64,
    file: Option<OwnedFd>,
    map: MmapRaw,
    /// Where in the file the bytes begin.
    start: usize,
    len: usize,
}

impl SharedBuffer {
    /// A copy of bytes.
    pub fn copy_of(bytes: &[u8]) -> io::Result<Arc<SharedBuffer>> {
        Ok(Arc::new(SharedBuffer::filled(fresh_id(), bytes)?))
    }

    fn filled(id: u64, bytes: &[u8]) -> io::Result<SharedBuffer> {
        let (file, map) = blank(bytes.len())?;
        // SAFETY: the file has this length, and nobody else has it yet.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), map.as_mut_ptr(), bytes.len()) };
        Ok(SharedBuffer { id, file: Some(file), map, start: 0, len: bytes.len() })
    }

    /// The next `len` bytes of a reader.
    pub fn read_from(from: &mut dyn io::Read, len: usize) -> io::Result<Arc<SharedBuffer>> {
        let (file, map) = blank(len)?;
        // SAFETY: mapped with this length, zeroed, and nobody else has it yet.
        from.read_exact(unsafe { std::slice::from_raw_parts_mut(map.as_mut_ptr(), len) })?;
        Ok(Arc::new(SharedBuffer { id: fresh_id(), file: Some(file), map, start: 0, len }))
    }

    /// The bytes moved to a memory file whose pages then stand in their place, so that they are in memory only once.
    /// What is written there later is seen by nobody else. Memory without whole pages is copied.
    ///
    /// # Safety
    /// `bytes` is private anonymous memory of this process, and nobody writes to it during the call.
    pub unsafe fn moved_from(bytes: &[u8]) -> io::Result<Arc<SharedBuffer>> {
        let page = rustix::param::page_size();
        let first = bytes.as_ptr() as usize;
        let whole = first.next_multiple_of(page)..(first + bytes.len()) / page * page;
        if whole.start >= whole.end || cfg!(not(target_os = "linux")) {
            return SharedBuffer::copy_of(bytes);
        }
        // Within the file the bytes lie as they lie within their pages.
        let start = first % page;
        let (file, map) = blank((start + bytes.len()).next_multiple_of(page))?;
        let mut done = 0;
        while done < bytes.len() {
            let part = MOVE_BYTES.min(bytes.len() - done);
            // SAFETY: both ranges are mapped, of these lengths, and apart from each other.
            unsafe {
                let target = map.as_mut_ptr().add(start + done);
                std::ptr::copy_nonoverlapping(bytes.as_ptr().add(done), target, part);
            }
            let copied = (first + done).max(whole.start)..(first + done + part).min(whole.end);
            let pages = copied.start.next_multiple_of(page)..copied.end / page * page;
            if pages.start < pages.end {
                // SAFETY: whole pages of the caller's private memory, whose bytes the file holds at the same place.
                unsafe { replace_pages(&file, pages.start, pages.end - pages.start, start + pages.start - first)? };
            }
            // The next part begins where pages were not replaced yet.
            done = if pages.start < pages.end && done + part < bytes.len() { pages.end - first } else { done + part };
        }
        // The owner looks at its own pages: these would only count as memory of this process as well.
        // SAFETY: the file keeps what was written; its pages are mapped again when somebody looks.
        let _ = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        Ok(Arc::new(SharedBuffer { id: fresh_id(), file: Some(file), map, start, len: bytes.len() }))
    }

    /// A buffer that another process made. What is written to it here is seen by nobody else.
    pub fn received(id: u64, file: OwnedFd, start: usize, len: usize) -> io::Result<Arc<SharedBuffer>> {
        let file = File::from(file);
        let room = start.checked_add(len).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let found = file.metadata()?.len();
        if found < room as u64 {
            let message = format!("a shared buffer that ends at byte {room} came in a file of {found}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        // SAFETY: private pages; the process that made the file does not write to it once it is sent.
        let map = unsafe { MmapOptions::new().len(room.max(1)).map_copy(&file)? };
        // Buffers that are too short to be values are words that processes write to, and are mapped again.
        let kept = !(SHARED_BYTES_MIN..FILE_BYTES_MIN).contains(&len);
        Ok(Arc::new(SharedBuffer { id, file: kept.then(|| file.into()), map: map.into(), start, len }))
    }

    /// This buffer, or a copy under its id where the file was given back.
    pub(super) fn to_send(self: &Arc<SharedBuffer>) -> io::Result<Arc<SharedBuffer>> {
        match self.file {
            Some(_) => Ok(Arc::clone(self)),
            None => Ok(Arc::new(SharedBuffer::filled(self.id, self.as_slice())?)),
        }
    }

    /// The same memory, mapped so that what is written here is seen by all.
    pub(super) fn seen_by_all(&self) -> io::Result<Arc<SharedBuffer>> {
        let file = self.descriptor()?.try_clone_to_owned()?;
        let map = MmapOptions::new().len((self.start + self.len).max(1)).map_raw(&file)?;
        Ok(Arc::new(SharedBuffer { id: self.id, file: Some(file), map, start: self.start, len: self.len }))
    }

    /// Unique among the processes that exchange buffers.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn start(&self) -> usize {
        self.start
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the bytes are. They may be written to by whoever knows that nobody else looks at them.
    pub fn as_ptr(&self) -> *mut u8 {
        // SAFETY: `start + len` lies within the map.
        unsafe { self.map.as_mut_ptr().add(self.start) }
    }

    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: mapped for as long as the buffer lives.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len) }
    }

    /// Writes one word at the beginning, for a process that shares the memory.
    pub(super) fn write_word(&self, word: u32) {
        if self.len >= 4 {
            // SAFETY: at least a word long, and at the beginning of a page.
            unsafe { AtomicU32::from_ptr(self.as_ptr().cast()) }.store(word, Ordering::Release);
        }
    }

    pub(super) fn read_word(&self) -> u32 {
        if self.len < 4 {
            return 0;
        }
        // SAFETY: at least a word long, and at the beginning of a page.
        unsafe { AtomicU32::from_ptr(self.as_ptr().cast()) }.load(Ordering::Acquire)
    }

    pub(super) fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        let given_back = || io::Error::other("the memory file of a buffer was given back");
        Ok(self.file.as_ref().ok_or_else(given_back)?.as_fd())
    }
}

/// A memory file of zeros, mapped so that what is written is seen by all.
fn blank(len: usize) -> io::Result<(OwnedFd, MmapRaw)> {
    let file = File::from(memory_file()?);
    file.set_len(len as u64)?;
    let map = MmapOptions::new().len(len.max(1)).map_raw(&file)?;
    Ok((file.into(), map))
}

/// Maps part of a file privately over pages that hold the same bytes.
///
/// # Safety
/// The pages are private anonymous memory of this process, and the file holds the same bytes at `offset`.
unsafe fn replace_pages(file: &OwnedFd, address: usize, len: usize, offset: usize) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: as the caller promises; a fixed mapping replaces exactly these pages at once.
    let mapped = unsafe {
        libc::mmap(
            address as *mut libc::c_void,
            len,
            protection,
            libc::MAP_PRIVATE | libc::MAP_FIXED,
            file.as_raw_fd(),
            offset as libc::off_t,
        )
    };
    if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// An id that no buffer, and nothing else that is numbered so, has.
pub fn fresh_id() -> u64 {
    (u64::from(std::process::id()) << 32) | NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(target_os = "linux")]
fn memory_file() -> io::Result<OwnedFd> {
    Ok(rustix::fs::memfd_create("raskr", rustix::fs::MemfdFlags::CLOEXEC)?)
}

/// POSIX shared memory that is unlinked at once, so that nothing remains of it but what is open.
#[cfg(not(target_os = "linux"))]
fn memory_file() -> io::Result<OwnedFd> {
    let name = format!("/raskr-{:x}", fresh_id());
    let flags = rustix::shm::OFlags::CREATE | rustix::shm::OFlags::EXCL | rustix::shm::OFlags::RDWR;
    let file = rustix::shm::open(name.as_str(), flags, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
    rustix::shm::unlink(name.as_str())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_hold_their_bytes() {
        for len in [0, 1, 5000, 100_000] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            assert_eq!(SharedBuffer::copy_of(&bytes).expect("a copy").as_slice(), bytes);
        }
    }

    #[test]
    fn what_a_reader_has_can_be_read_straight_to_a_buffer() {
        let bytes: Vec<u8> = (0..70_000).map(|i| (i % 251) as u8).collect();
        let mut from = &bytes[..];
        let first = SharedBuffer::read_from(&mut from, 69_000).expect("read");
        assert_eq!((first.as_slice(), from.len()), (&bytes[..69_000], 1000));
        assert!(SharedBuffer::read_from(&mut from, 1001).is_err());
    }

    #[test]
    fn moved_memory_reads_as_before_and_stays_its_owners() {
        for (skip, len) in [(0, 3 << 20), (16, 40 << 20), (100, 5000), (4000, 9000), (0, 16 << 20), (8, (32 << 20) + 7)]
        {
            let mut owner: Vec<u8> = (0..len + skip).map(|i| (i % 253) as u8).collect();
            let before = owner.clone();
            // SAFETY: the vector's own memory, which nobody writes to.
            let buffer = unsafe { SharedBuffer::moved_from(&owner[skip..]) }.expect("moved");
            assert_eq!(buffer.as_slice(), &before[skip..]);
            assert_eq!(owner, before);
            owner[skip + len / 2] ^= 255;
            assert_eq!(buffer.as_slice(), &before[skip..], "what the owner writes is its own");
        }
    }

    #[test]
    fn what_is_received_is_private_and_must_be_whole() {
        let buffer = SharedBuffer::copy_of(&[7; 10_000]).expect("a copy");
        let descriptor = || buffer.descriptor().expect("a file").try_clone_to_owned().expect("a descriptor");
        let other = SharedBuffer::received(buffer.id(), descriptor(), 0, 10_000).expect("received");
        assert_eq!(other.as_slice(), buffer.as_slice());
        // SAFETY: nobody looks at the byte now.
        unsafe { *other.as_ptr() = 1 };
        assert_eq!(buffer.as_slice()[0], 7);
        assert!(SharedBuffer::received(1, descriptor(), 0, 10_001).is_err());
        assert!(SharedBuffer::received(1, descriptor(), usize::MAX, 2).is_err());
    }

    #[test]
    fn what_is_received_can_be_sent_on_whether_its_file_stays_open_or_not() {
        for (len, stays_open) in [(4, true), (SHARED_BYTES_MIN, false), (FILE_BYTES_MIN, true)] {
            let buffer = SharedBuffer::copy_of(&vec![9; len]).expect("a copy");
            let file = buffer.descriptor().expect("a file").try_clone_to_owned().expect("a descriptor");
            let other = SharedBuffer::received(buffer.id(), file, 0, len).expect("received");
            assert_eq!(other.descriptor().is_ok(), stays_open);
            let sent = other.to_send().expect("sent");
            assert_eq!((sent.id(), sent.as_slice()), (buffer.id(), buffer.as_slice()));
            assert!(sent.descriptor().is_ok());
        }
    }
}
