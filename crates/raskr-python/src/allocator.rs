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

/// Says how soon memory goes back to the system in what is run next, within a limit in bytes.
pub fn set_up(memory_limit: Option<u64>) {
    let milliseconds = memory_limit.map_or(MILLISECONDS, |limit| limit / BYTES_PER_MILLISECOND).clamp(1, 1000);
    // SAFETY: sets one number, which later calls of the allocator read; an unknown option would be passed over.
    unsafe { mi_option_set(PURGE_DELAY, milliseconds as i64) };
}
