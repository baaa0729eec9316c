//! Reference-counted memory of chunks: taken from a pool of recycled blocks, or borrowed from an owner above.
//!
//! Fresh pages cost more than arithmetic, so large blocks are kept for reuse up to a bound, and the largest are mapped with
//! huge pages: the system zeroes them when they are first touched, by whichever thread that is, and with few faults.
//! Invariant: the memory of a buffer is always initialised (zeroed when fresh, old contents when recycled).
// `unsafe` is allowed here: this module owns raw memory; every block records its layout and has one owner.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Alignment of every block that raskr allocates: a cache line, and the widest vector register.
pub const ALIGNMENT: usize = 64;
/// Blocks below this size are not worth pooling.
const POOLED_MIN: usize = 1 << 17;
/// Blocks from this size on are mapped by themselves: a few huge pages.
const MAPPED_MIN: usize = 1 << 22;
/// The most bytes that idle blocks may hold, where nothing else was said.
const POOL_BYTES_MAX: usize = 192 << 20;
/// The most bytes that idle blocks may hold.
static POOL_LIMIT: AtomicUsize = AtomicUsize::new(POOL_BYTES_MAX);

/// A block of bytes with one owner behind an [`Arc`].
pub struct Buffer {
    start: NonNull<u8>,
    len: usize,
    owner: Owner,
}

enum Owner {
    /// Allocated here with this capacity.
    Heap(usize),
    /// Memory of somebody else (a NumPy array, a mapped file), kept alive by this object.
    Borrowed { _keep: Box<dyn Any + Send + Sync>, writable: bool },
}

// SAFETY: a `Buffer` owns its memory (or keeps the owner alive); shared access only reads.
unsafe impl Send for Buffer {}
// SAFETY: as above; mutation needs `&mut Buffer`, which an `Arc` gives to a sole owner only.
unsafe impl Sync for Buffer {}

struct Pool {
    blocks: BTreeMap<usize, Vec<usize>>,
    bytes: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { blocks: BTreeMap::new(), bytes: 0 });
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Bytes of heap blocks that are in use now (idle pooled blocks not counted).
pub fn live_bytes() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Keeps idle blocks below a sixteenth of what a run may use, so that they never matter beside its limit.
pub fn limit_pool(memory_limit: u64) {
    let share = usize::try_from(memory_limit / 16).unwrap_or(POOL_BYTES_MAX).min(POOL_BYTES_MAX);
    if POOL_LIMIT.swap(share, Ordering::Relaxed) > share {
        trim();
    }
}

/// Gives idle pooled blocks back to the system.
pub fn trim() {
    let blocks = {
        let mut pool = POOL.lock();
        pool.bytes = 0;
        std::mem::take(&mut pool.blocks)
    };
    for (capacity, starts) in blocks {
        for start in starts {
            release(start, capacity);
        }
    }
}

fn layout(capacity: usize) -> Layout {
    // SAFETY: ALIGNMENT is a power of two and capacities come from allocations that succeeded or are about to be tried;
    // a capacity near isize::MAX is refused by `capacity_of`.
    unsafe { Layout::from_size_align_unchecked(capacity, ALIGNMENT) }
}

/// Zeroed memory; which way it was come by follows from the capacity alone.
fn acquire(capacity: usize) -> *mut u8 {
    if capacity >= MAPPED_MIN {
        return mapped::acquire(capacity);
    }
    // SAFETY: the capacity is at least one alignment, so the layout has a size.
    unsafe { alloc_zeroed(layout(capacity)) }
}

fn release(start: usize, capacity: usize) {
    if capacity >= MAPPED_MIN {
        mapped::release(start, capacity);
        return;
    }
    // SAFETY: `start` was returned by `alloc_zeroed` with this very layout and has no other owner.
    unsafe { dealloc(start as *mut u8, layout(capacity)) }
}

#[cfg(target_os = "linux")]
mod mapped {
    /// Anonymous pages, zeroed by the system on first touch. (`alloc_zeroed` with a wide alignment writes the zeros
    /// itself, one thread touching every page.)
    pub(super) fn acquire(capacity: usize) -> *mut u8 {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the system's choice touches nobody's memory.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), capacity, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return std::ptr::null_mut();
        }
        // SAFETY: the range was mapped just now. Refused advice changes nothing.
        unsafe { libc::madvise(start, capacity, libc::MADV_HUGEPAGE) };
        start.cast()
    }

    pub(super) fn release(start: usize, capacity: usize) {
        // SAFETY: the range is one mapping of `acquire`'s and has no other owner.
        unsafe { libc::munmap(start as *mut libc::c_void, capacity) };
    }
}

#[cfg(not(target_os = "linux"))]
mod mapped {
    use super::{alloc_zeroed, dealloc, layout};

    pub(super) fn acquire(capacity: usize) -> *mut u8 {
        // SAFETY: the capacity is that of a large block, so the layout has a size.
        unsafe { alloc_zeroed(layout(capacity)) }
    }

    pub(super) fn release(start: usize, capacity: usize) {
        // SAFETY: `start` was returned by `acquire` with this very layout and has no other owner.
        unsafe { dealloc(start as *mut u8, layout(capacity)) }
    }
}

/// Rounded up so that blocks of nearly equal size are interchangeable: at most an eighth is wasted.
fn capacity_of(len: usize) -> usize {
    if len < POOLED_MIN {
        return len.max(1).next_multiple_of(ALIGNMENT);
    }
    let step = (1usize << (usize::BITS - 1 - len.leading_zeros())) >> 3;
    len.checked_next_multiple_of(step).filter(|c| *c < isize::MAX as usize - ALIGNMENT).unwrap_or(len)
}

impl Buffer {
    /// Memory for `len` bytes, initialised but with unspecified contents.
    pub fn recycled(len: usize) -> Buffer {
        match Buffer::try_recycled(len) {
            Some(buffer) => buffer,
            None => handle_alloc_error(layout(capacity_of(len))),
        }
    }

    /// The same for a length that somebody else named; `None` where the system does not have that much.
    pub fn try_recycled(len: usize) -> Option<Buffer> {
        if len >= isize::MAX as usize - ALIGNMENT {
            return None;
        }
        let capacity = capacity_of(len);
        if capacity >= POOLED_MIN {
            let mut pool = POOL.lock();
            if let Some(starts) = pool.blocks.get_mut(&capacity)
                && let Some(start) = starts.pop()
            {
                pool.bytes -= capacity;
                drop(pool);
                if let Some(start) = NonNull::new(start as *mut u8) {
                    LIVE.fetch_add(capacity, Ordering::Relaxed);
                    return Some(Buffer { start, len, owner: Owner::Heap(capacity) });
                }
            }
        }
        Buffer::allocate(len, capacity)
    }

    /// Zeroed memory for `len` bytes.
    pub fn zeroed(len: usize) -> Buffer {
        let capacity = capacity_of(len);
        match Buffer::allocate(len, capacity) {
            Some(buffer) => buffer,
            None => handle_alloc_error(layout(capacity)),
        }
    }

    fn allocate(len: usize, capacity: usize) -> Option<Buffer> {
        let start = NonNull::new(acquire(capacity))?;
        LIVE.fetch_add(capacity, Ordering::Relaxed);
        Some(Buffer { start, len, owner: Owner::Heap(capacity) })
    }

    /// Memory that belongs to `keep`.
    ///
    /// # Safety
    /// `start` points to `len` initialised bytes that stay valid and are not written by others while `keep` lives.
    pub unsafe fn borrowed(start: *const u8, len: usize, writable: bool, keep: Box<dyn Any + Send + Sync>) -> Buffer {
        let start = NonNull::new(start.cast_mut()).unwrap_or(NonNull::<u128>::dangling().cast());
        Buffer { start, len, owner: Owner::Borrowed { _keep: keep, writable } }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    /// Was the memory allocated here, so that a sole owner may write to it?
    pub fn is_heap(&self) -> bool {
        matches!(self.owner, Owner::Heap(_))
    }

    /// May an interpreter's function that is handed this memory write to it?
    pub fn is_writable(&self) -> bool {
        match &self.owner {
            Owner::Heap(_) => true,
            Owner::Borrowed { writable, .. } => *writable,
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: start..start+len is initialised and owned by self.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The bytes, for writing; `None` for borrowed memory.
    pub fn as_bytes_mut(&mut self) -> Option<&mut [u8]> {
        if !self.is_heap() {
            return None;
        }
        // SAFETY: heap memory with this sole owner (`&mut`).
        Some(unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Owner::Heap(capacity) = self.owner else { return };
        LIVE.fetch_sub(capacity, Ordering::Relaxed);
        let start = self.start.as_ptr() as usize;
        let limit = POOL_LIMIT.load(Ordering::Relaxed);
        if (POOLED_MIN..=limit / 2).contains(&capacity) {
            let mut pool = POOL.lock();
            if pool.bytes + capacity <= limit {
                pool.bytes += capacity;
                pool.blocks.entry(capacity).or_default().push(start);
                return;
            }
        }
        release(start, capacity);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes, {})", self.len, if self.is_heap() { "heap" } else { "borrowed" })
    }
}

/// Bytes that own themselves, as a buffer without a copy.
pub fn from_vec(bytes: Vec<u8>) -> Arc<Buffer> {
    let (start, len) = (bytes.as_ptr(), bytes.len());
    // SAFETY: the vector's heap memory does not move when the vector itself is boxed, and nobody else can reach it.
    Arc::new(unsafe { Buffer::borrowed(start, len, false, Box::new(bytes)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_blocks_are_recycled_and_bounded() {
        let first = Buffer::recycled(1 << 20);
        let start = first.as_ptr();
        drop(first);
        let again = Buffer::recycled((1 << 20) - 100);
        assert_eq!(again.as_ptr(), start, "a block of the same class is reused");
        drop(again);
        let many: Vec<_> = (0..64).map(|_| Buffer::recycled(8 << 20)).collect();
        drop(many);
        assert!(POOL.lock().bytes <= POOL_BYTES_MAX);
        trim();
    }

    #[test]
    fn more_than_there_is_is_refused_where_it_is_asked_for_so() {
        for len in [usize::MAX, isize::MAX as usize, 1 << 60] {
            assert!(Buffer::try_recycled(len).is_none(), "{len}");
        }
        assert_eq!(Buffer::try_recycled(100).map(|buffer| buffer.len()), Some(100));
    }

    #[test]
    fn capacity_wastes_at_most_an_eighth() {
        for len in [1, 63, 64, 1 << 17, (1 << 17) + 1, 3_000_000, 12_345_678] {
            let capacity = capacity_of(len);
            assert!(capacity >= len && capacity <= len + (len / 8).max(ALIGNMENT), "{len} -> {capacity}");
        }
    }
}
