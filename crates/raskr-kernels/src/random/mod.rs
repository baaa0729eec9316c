//! Counter-based random numbers: the number of an element depends on the key and the element's index alone, so it is the
//! same whatever the chunks, the workers, the order or the machine.
//!
//! Samplers of one word use block `i / 2` of element `i`; normals make two elements of that block; samplers that reject
//! use blocks (`i`, 1), (`i`, 2), ... which no other element has. All arithmetic is by plain operations and explicit
//! `mul_add` in a fixed order, never by the system's mathematical library: wide registers, narrow ones and none give
//! the same bits.

mod ars;
#[cfg(target_arch = "aarch64")]
mod ars_aarch64;
#[cfg(target_arch = "x86_64")]
mod ars_x86;
mod continuous;
mod discrete;
mod distribution;
mod draw;
mod error;
mod functions;
mod integers;
mod key;
mod lanes;
mod loops;
mod multivariate;
mod parameters;
mod permutation;
mod source;
mod stream;
mod transforms;
mod validate;

pub use ars::{Cipher, Engine};
pub use distribution::{Distribution, DistributionKind};
pub use error::RandomError;
pub use key::derive_key;
pub use multivariate::{dirichlet, multinomial, multivariate_hypergeometric};
pub use parameters::{fill_integers_with_params, fill_with_params};
pub use permutation::Permutation;
pub use source::RandomSource;

#[cfg(test)]
mod tests;
