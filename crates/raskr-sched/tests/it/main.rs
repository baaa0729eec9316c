//! The machines by what they answer: small traces, random events, messages on the wire, and the simulated cluster.

mod sim;
