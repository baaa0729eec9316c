//! The engine as its callers see it, on graphs written down or drawn at random.

mod failures;
mod results;
mod support;
