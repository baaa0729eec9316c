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
/// How long freed pages wait for someone to want them.
const MILLISECONDS: i64 = 1000;
/// The same in runs within a limit of memory, which would exceed it by what was freed in the meantime.
const MILLISECONDS_LIMITED: i64 = 100;

/// Says how soon memory goes back to the system in what is run next.
pub fn set_up(is_limited: bool) {
    let milliseconds = if is_limited { MILLISECONDS_LIMITED } else { MILLISECONDS };
    // SAFETY: sets one number, which later calls of the allocator read; an unknown option would be passed over.
    unsafe { mi_option_set(PURGE_DELAY, milliseconds) };
}
