//! A whole cluster in one thread: both machines, a bad network, crashes and clients, all drawn from one seed.
//!
//! Faults come for a while, then stop. Throughout: each machine is consistent after each event, no client is told what
//! contradicts what it was told before, no value is wrong, no failure without a cause. At the end: everything wanted is
//! there or has failed, scheduler and workers agree on who has what, and once it is released nothing is left anywhere.

mod client;
mod graph;
mod host;
mod network;
mod random;
mod run;
mod scenarios;
mod world;

use std::time::Duration;

/// After which a packet that was not acknowledged is sent again.
const RESEND: Duration = Duration::from_millis(250);

/// Seeds of an ordinary run; `RASKR_SIMULATED_SEEDS` says how many others to run instead.
const SEEDS: u64 = 2000;
/// Tests that share the seeds, so that they run side by side.
const SHARES: u64 = 10;

fn seeds() -> u64 {
    std::env::var("RASKR_SIMULATED_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

fn run_share(share: u64) {
    let mut failures = Vec::new();
    for seed in (share..seeds()).step_by(SHARES as usize) {
        if let Err(problem) = run::run(seed) {
            failures.push(format!("seed {seed}: {problem}"));
            if failures.len() == 3 {
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

macro_rules! shares {
    ($($name:ident $share:literal),*) => {
        $(#[test]
        fn $name() {
            run_share($share);
        })*
    };
}

shares!(
    clusters_heal_0 0, clusters_heal_1 1, clusters_heal_2 2, clusters_heal_3 3, clusters_heal_4 4,
    clusters_heal_5 5, clusters_heal_6 6, clusters_heal_7 7, clusters_heal_8 8, clusters_heal_9 9
);

/// One seed by itself, given by `RASKR_SIMULATED_SEED`; without it, the first.
#[test]
fn one_seed_gives_the_same_run_twice() {
    let seed = std::env::var("RASKR_SIMULATED_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let first = run::run(seed).unwrap();
    assert_eq!(first, run::run(seed).unwrap());
    assert!(first.values_checked > 0, "{first:?}");
}
