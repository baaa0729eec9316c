//! `Seen`: what kinds of fields a column has, and which type pandas gives such a column.

use std::ops::{BitOr, BitOrAssign};

use super::error::Found;

/// A set of kinds of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen(u8);

impl Seen {
    pub(crate) const MISSING: Seen = Seen(1);
    /// Any number; those of the following kinds are noted in addition.
    pub(crate) const NUMBER: Seen = Seen(2);
    pub(crate) const NEGATIVE: Seen = Seen(4);
    /// An integer from 2^63 to 2^64.
    pub(crate) const LARGE: Seen = Seen(8);
    /// An integer beyond 64 bits.
    pub(crate) const HUGE: Seen = Seen(16);
    /// A number that is not written as an integer.
    pub(crate) const FRACTION: Seen = Seen(32);
    pub(crate) const BOOLEAN: Seen = Seen(64);
    pub(crate) const TEXT: Seen = Seen(128);

    fn has(self, kind: Seen) -> bool {
        self.0 & kind.0 != 0
    }

    pub(crate) fn found(self) -> Found {
        match self {
            _ if self.has(Seen::TEXT) => Found::Object,
            _ if self.has(Seen::BOOLEAN) && self.has(Seen::NUMBER | Seen::MISSING) => Found::Object,
            _ if self.has(Seen::BOOLEAN) => Found::Boolean,
            // pandas decides this one by the order of the fields: it is a float where a fraction comes first.
            _ if self.has(Seen::FRACTION) => Found::Float64,
            _ if self.has(Seen::HUGE) => Found::Object,
            // Neither kind of integer holds them all, and pandas takes no float in their place.
            _ if self.has(Seen::LARGE) && self.has(Seen::NEGATIVE | Seen::MISSING) => Found::Object,
            _ if self.has(Seen::MISSING) => Found::Float64,
            _ if self.has(Seen::LARGE) => Found::UInt64,
            _ => Found::Int64,
        }
    }
}

impl BitOr for Seen {
    type Output = Seen;

    fn bitor(self, other: Seen) -> Seen {
        Seen(self.0 | other.0)
    }
}

impl BitOrAssign for Seen {
    fn bitor_assign(&mut self, other: Seen) {
        self.0 |= other.0;
    }
}
