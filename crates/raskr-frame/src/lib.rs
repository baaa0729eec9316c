//! Partitioned tables: plans, their rewriting, and their lowering to stages of DataFusion operators over Arrow batches.
//!
//! A [`Plan`] is what a table is made of. [`lower`] cuts it where rows change places (exchanges by hash and by range,
//! sides of joins that go everywhere); what lies between is one stage, whose task runs one physical plan over one
//! partition. Exchanges are calls of raskr's own graph, so that the engine spills what waits in them.
//!
//! Knows Arrow, DataFusion, the graph and random numbers. Does not know threads, files or Python. Tested by `tests/it.rs`.

mod choice;
mod columns;
mod condition;
mod deal;
mod error;
mod evaluate;
mod expr;
mod gather;
mod groups;
mod lower;
mod made_up;
mod narrow;
mod operators;
mod order;
mod ordered;
mod packed;
mod pieces;
mod plan;
mod reader;
mod rewrite;
mod source;
mod stage;
mod table;
mod travel;
mod wire;

pub use arrow;
pub use datafusion_common::ScalarValue;

pub use columns::Columns;
pub use condition::Condition;
pub use error::FrameError;
pub use evaluate::without_nan;
pub use expr::{Binary, Expr};
pub use lower::{Options, explain_stages, lower};
pub use made_up::{Drawn, MadeUp, MadeUpColumn, MadeUpPart, MadeUpValues};
pub use ordered::table_of;
pub use plan::{JoinKind, Measure, Operation, Plan, SortKey, Statistic, Way};
pub use reader::{Batches, PartitionReader, Tables};
pub use table::{KIND, Table};
pub use travel::{Encoded, Encoder, ReaderOf, Received};
