//! The examples run, and find what they claim.

#[path = "../examples/pi.rs"]
mod pi;
#[path = "../examples/row_means.rs"]
mod row_means;

#[test]
fn points_in_a_circle_give_pi() {
    pi::main().expect("runs");
}

#[test]
fn row_means_are_computed_within_a_limit_of_memory() {
    row_means::main().expect("runs");
}
