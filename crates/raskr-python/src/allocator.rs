//! The allocator of everything native, and how soon it gives memory back.
// `unsafe` is allowed here: the allocator's settings are C functions.
#![allow(unsafe_code)]

use libmimalloc_sys::mi_option_set;
use mimalloc::MiMalloc;

/// The system's allocator keeps what a thread has freed for that thread: tables that tasks hand on to others would stay.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3, which the binding has no name for.
const PURGE_DELAY: i32 = 15;
/// Bytes of a limit for which freed pages wait a millisecond for someone to want them, and ten where many were freed: runs
/// within a small limit would exceed it by what was freed in the meantime, all others need not ask for the same pages again.
const BYTES_PER_MILLISECOND: u64 = 100_000_000;
/// Where no limit is known.
const MILLISECONDS: u64 = 100;

/// Within limits up to this the system's allocator, which NumPy, pandas and pyarrow use, maps blocks of a thousandth of the
/// limit by themselves, and gives back what is free at the end of its heaps from as much on. glibc would raise both, up to
/// 32 MiB, with the sizes that are freed, and then keep some hundred megabytes in the heaps of threads.
const SMALL_LIMIT: u64 = 4_000_000_000;

/// Says how soon memory goes back to the system in what is run next, within a limit in bytes.
pub fn set_up(memory_limit: Option<u64>) {
    #[cfg(target_env = "gnu")]
    if let Some(limit) = memory_limit.filter(|limit| *limit <= SMALL_LIMIT) {
        let bytes = (limit / 1000).max(128 << 10) as i32;
        // SAFETY: sets two numbers, which later calls of the allocator read.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, bytes);
            libc::mallopt(libc::M_TRIM_THRESHOLD, bytes);
        }
    }
    let milliseconds = memory_limit.map_or(MILLISECONDS, |limit| limit / BYTES_PER_MILLISECOND).clamp(1, 1000);
    // SAFETY: sets one number, which later calls of the allocator read; an unknown option would be passed over.
    unsafe { mi_option_set(PURGE_DELAY, milliseconds as i64) };
}

/// Gives back what is free in the heaps of the system's allocator: what a program made its frames of
/// would otherwise stay beside what is computed of them.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
