//! How the rows of a join's two sides meet: one side goes whole to every partition of the other, or both are cut by hash. Where a
//! filter or the like may leave little of a side that is large before, tasks find out when they run.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use raskr_graph::{Call, Input};

use super::{Lowering, Pipeline, Slot, picked};
use crate::choice::Gathered;
use crate::error::FrameError;
use crate::operators::Node;
use crate::plan::{JoinKind, Operation, Plan, Way};
use crate::stage::{Ending, Pick};

/// Bytes of rows that one task of an exchange should get: it holds the rows of one side, and a table of them that is as large.
const JOIN_BYTES: u64 = 12 << 20;
/// A side of a join that is no larger goes whole to every partition of the other one.
const SMALL_SIDE_BYTES: u64 = 16 << 20;

/// What is joined, and how.
struct Join<'a> {
    left: &'a Arc<Plan>,
    right: &'a Arc<Plan>,
    on: &'a [(String, String)],
    kind: JoinKind,
    schema: SchemaRef,
}

impl Join<'_> {
    fn node(&self, left: Box<Node>, right: Box<Node>, hold_left: bool) -> Node {
        Node::Join { left, right, on: self.on.to_vec(), kind: self.kind, hold_left }
    }

    /// The keys of the left and of the right side.
    fn keys(&self) -> (Vec<String>, Vec<String>) {
        self.on.iter().cloned().unzip()
    }

    /// The side of which little may be left when it has been computed, so that it is better waited for: is it the left one?
    fn measured(&self) -> Option<bool> {
        let of = |is_left: bool| {
            let (plan, allowed) = match is_left {
                true => (self.left, self.kind.may_hold_left()),
                false => (self.right, self.kind.may_hold_right()),
            };
            let bytes = plan.estimate();
            let size = if bytes == 0 { u64::MAX } else { bytes };
            (allowed && (bytes == 0 || may_shrink(plan))).then_some((size, is_left))
        };
        of(false).into_iter().chain(of(true)).min_by_key(|&(size, _)| size).map(|(_, is_left)| is_left)
    }
}

/// May far fewer rows be left than the readers below have?
fn may_shrink(plan: &Plan) -> bool {
    match plan.operation() {
        Operation::Read { .. } => false,
        Operation::Filter { .. } | Operation::Aggregate { .. } | Operation::Join { .. } => true,
        Operation::Project { input, .. }
        | Operation::Sort { input, .. }
        | Operation::SortWhole { input, .. }
        | Operation::Regroup { input, .. } => may_shrink(input),
    }
}

impl Lowering {
    pub(super) fn join(
        &mut self,
        left: &Arc<Plan>,
        right: &Arc<Plan>,
        on: &[(String, String)],
        kind: JoinKind,
        way: Way,
        schema: SchemaRef,
    ) -> Result<Pipeline, FrameError> {
        let (own, other) = (self.pipeline(left)?, self.pipeline(right)?);
        let join = Join { left, right, on, kind, schema };
        let (left_bytes, right_bytes) = (left.estimate(), right.estimate());
        let small =
            |bytes: u64, pipeline: &Pipeline| pipeline.partitions == 1 || bytes > 0 && bytes <= SMALL_SIDE_BYTES;
        let (hold_left, hold_right) = match way {
            Way::Chosen => (small(left_bytes, &own), small(right_bytes, &other)),
            Way::LeftWhole => (true, false),
            Way::RightWhole => (false, true),
            Way::Exchange => (false, false),
        };
        if hold_right && (kind.may_hold_right() || own.partitions == 1) {
            return Ok(self.join_beside(own, other, false, &join));
        }
        if hold_left && (kind.may_hold_left() || other.partitions == 1) {
            return Ok(self.join_beside(other, own, true, &join));
        }
        let count = self.pieces(left_bytes + right_bytes, JOIN_BYTES, own.partitions.max(other.partitions));
        let measured = if way == Way::Chosen && count > 1 { join.measured() } else { None };
        let slots = match measured {
            Some(true) => {
                let (moved, pieces) = self.exchanged_or_joined(other, own, true, count, &join);
                [pieces, moved]
            }
            Some(false) => self.exchanged_or_joined(own, other, false, count, &join).into(),
            None => {
                let (own_keys, other_keys) = join.keys();
                [(own, own_keys), (other, other_keys)]
                    .map(|(side, keys)| self.exchanged(side, &keys, count, "join-exchange"))
            }
        };
        let estimate = (left_bytes + right_bytes) / count as u64;
        let side = |slot, plan: &Plan| Box::new(Node::Input { slot, schema: Arc::clone(plan.schema()) });
        let joined = join.node(side(0, left), side(1, right), kind == JoinKind::Inner && left_bytes < right_bytes);
        let schema = join.schema;
        let node = match measured {
            Some(is_left) => {
                let slot = usize::from(is_left);
                let whole = Box::new(Node::Input { slot, schema: Arc::clone(&schema) });
                Node::Either { slot, whole, pieces: Box::new(joined) }
            }
            None => joined,
        };
        let slots = slots.map(Slot::Each).into();
        Ok(Pipeline { node, schema, partitions: count as u32, slots, estimate, cheap: false })
    }

    /// A join whose one side, the left one if `hold_left`, goes whole to every partition of the other.
    fn join_beside(&mut self, passing: Pipeline, held: Pipeline, hold_left: bool, join: &Join<'_>) -> Pipeline {
        let side = Arc::clone(&held.schema);
        let calls = self.finished(held, Ending::Collect, "join-side".to_owned());
        let beside = with_side(passing, calls, side, hold_left, join);
        Pipeline { schema: Arc::clone(&join.schema), cheap: false, ..beside }
    }

    /// The pieces of both sides: first those of `passing`, whose rows are joined already if little is left of `held`.
    fn exchanged_or_joined(
        &mut self,
        passing: Pipeline,
        held: Pipeline,
        hold_left: bool,
        count: usize,
        join: &Join<'_>,
    ) -> (Vec<Vec<Input>>, Vec<Vec<Input>>) {
        let (left_keys, right_keys) = join.keys();
        let (held_keys, keys) = if hold_left { (left_keys, right_keys) } else { (right_keys, left_keys) };
        // Every task makes a table of the whole side, which is worth it for partitions that are as large.
        let other = if hold_left { join.right } else { join.left };
        let partition = match other.estimate() / u64::from(passing.partitions.max(1)) {
            0 => u64::MAX,
            bytes => bytes,
        };
        let most = self.within_limit(SMALL_SIDE_BYTES).min(partition);
        let side = Arc::clone(&held.schema);
        let ending = Ending::Measured { keys: held_keys.clone(), count, most };
        let cut = self.finished(held, ending, "join-exchange".to_owned());
        let all = Arc::new(Pick { number: count });
        let parts = cut.iter().map(|call| Call::new(Arc::clone(&all) as _, vec![Input::Call(Arc::clone(call))], None));
        let repeats = !matches!(join.kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
        let choice = Gathered::call(parts.collect(), &side, most, repeats.then_some(&held_keys));

        let (apart, slot, partitions) = (Box::new(passing.node.clone()), passing.slots.len(), passing.partitions);
        let beside = with_side(passing, vec![choice], side, hold_left, join);
        let node = Node::Either { slot, whole: Box::new(beside.node), pieces: apart };
        let ending = Ending::Joined { keys, count, slot, partitions, schema: Arc::clone(&join.schema) };
        let moved = self.finished(Pipeline { node, ..beside }, ending, "join-exchange".to_owned());
        (picked(&moved, count), picked(&cut, count))
    }
}

/// The rows of a pipeline joined to a side that goes whole to all of its partitions.
fn with_side(passing: Pipeline, calls: Vec<Arc<Call>>, side: SchemaRef, hold_left: bool, join: &Join<'_>) -> Pipeline {
    let Pipeline { node, mut slots, schema, partitions, estimate, cheap } = passing;
    let whole = Box::new(Node::Input { slot: slots.len(), schema: side });
    slots.push(Slot::All(calls.into_iter().map(Input::Call).collect()));
    let passing_node = Box::new(node);
    let (left, right) = if hold_left { (whole, passing_node) } else { (passing_node, whole) };
    Pipeline { node: join.node(left, right, hold_left), schema, partitions, slots, estimate, cheap }
}
