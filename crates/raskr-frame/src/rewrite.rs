//! Rewriting of plans: readers and operations leave out columns that nobody uses, and readers rows that a filter leaves out
//! anyway. Plans that several others stand on stay one plan, with the columns that any of these needs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::condition::Condition;
use crate::error::{FrameError, place_of};
use crate::plan::{Operation, Plan};

type Id = *const Plan;

/// Plans with the same results, of which no operation makes columns that are not used.
pub fn pruned(roots: &[Arc<Plan>]) -> Result<Vec<Arc<Plan>>, FrameError> {
    let order = parents_first(roots);
    let mut needed: HashMap<Id, HashSet<String>> = HashMap::new();
    for root in roots {
        needed.entry(Arc::as_ptr(root)).or_default().extend(names(root));
    }
    for plan in &order {
        let own = needed.get(&Arc::as_ptr(plan)).cloned().unwrap_or_default();
        for (input, columns) in wanted(plan, &own) {
            needed.entry(Arc::as_ptr(input)).or_default().extend(columns);
        }
    }
    let uses = uses(&order, roots);
    let mut made: HashMap<Id, Arc<Plan>> = HashMap::new();
    for plan in order.iter().rev() {
        let own = needed.remove(&Arc::as_ptr(plan)).unwrap_or_default();
        let mut new = rebuilt(plan, &own, &made)?;
        if let Operation::Filter { input, .. } = plan.operation()
            && uses.get(&Arc::as_ptr(input)) == Some(&1)
        {
            new = narrowed(&new)?;
        }
        made.insert(Arc::as_ptr(plan), new);
    }
    // Outputs have the columns that they were asked with, in order.
    roots.iter().map(|root| with_columns(&made[&Arc::as_ptr(root)], root)).collect()
}

/// How many stand on each plan, those that are asked for themselves among them.
pub(crate) fn uses(order: &[Arc<Plan>], roots: &[Arc<Plan>]) -> HashMap<Id, usize> {
    let mut uses = HashMap::new();
    for plan in order.iter().flat_map(|plan| plan.inputs()).chain(roots) {
        *uses.entry(Arc::as_ptr(plan)).or_default() += 1;
    }
    uses
}

/// A filter whose reader knows what it asks for.
fn narrowed(filter: &Arc<Plan>) -> Result<Arc<Plan>, FrameError> {
    let Operation::Filter { input, predicate } = filter.operation() else { return Ok(Arc::clone(filter)) };
    let Operation::Read { reader, columns } = input.operation() else { return Ok(Arc::clone(filter)) };
    let conditions = Condition::all_of(predicate);
    match (!conditions.is_empty()).then(|| reader.with_conditions(&conditions)).flatten() {
        Some(reader) => Plan::read_columns(reader, columns.clone())?.filter(predicate.clone()),
        None => Ok(Arc::clone(filter)),
    }
}

fn with_columns(plan: &Arc<Plan>, like: &Plan) -> Result<Arc<Plan>, FrameError> {
    let order: Vec<String> = names(like).collect();
    match names(plan).eq(order.iter().cloned()) {
        true => Ok(Arc::clone(plan)),
        false => plan.project(order.into_iter().map(|name| (name.clone(), crate::expr::Expr::Column(name))).collect()),
    }
}

fn names(plan: &Plan) -> impl Iterator<Item = String> {
    plan.schema().fields().iter().map(|field| field.name().clone())
}

/// Every plan once, before those that it is made of.
pub(crate) fn parents_first(roots: &[Arc<Plan>]) -> Vec<Arc<Plan>> {
    let mut seen: HashSet<Id> = HashSet::new();
    let mut order = Vec::new();
    let mut path: Vec<(Arc<Plan>, usize)> = Vec::new();
    for root in roots {
        if seen.insert(Arc::as_ptr(root)) {
            path.push((Arc::clone(root), 0));
        }
        while let Some((plan, visited)) = path.last_mut() {
            let next = plan.inputs().get(*visited).map(|input| Arc::clone(input));
            *visited += 1;
            match next {
                Some(input) => {
                    if seen.insert(Arc::as_ptr(&input)) {
                        path.push((input, 0));
                    }
                }
                None => order.extend(path.pop().map(|(plan, _)| plan)),
            }
        }
    }
    order.reverse();
    order
}

/// The columns that a plan needs of each of its inputs for some of its own.
fn wanted<'p>(plan: &'p Plan, own: &HashSet<String>) -> Vec<(&'p Arc<Plan>, HashSet<String>)> {
    let with = |extra: Vec<String>| own.iter().cloned().chain(extra).collect::<HashSet<_>>();
    match plan.operation() {
        Operation::Read { .. } => Vec::new(),
        Operation::Project { input, columns } => {
            let mut found = Vec::new();
            columns.iter().filter(|(name, _)| own.contains(name)).for_each(|(_, expr)| expr.columns(&mut found));
            vec![(input, found.into_iter().collect())]
        }
        Operation::Filter { input, predicate } => {
            let mut found = Vec::new();
            predicate.columns(&mut found);
            vec![(input, with(found))]
        }
        Operation::Aggregate { input, keys, measures, .. } => {
            let used = measures.iter().filter(|measure| own.contains(&measure.name));
            vec![(input, keys.iter().cloned().chain(used.filter_map(|measure| measure.column.clone())).collect())]
        }
        Operation::Join { left, right, on, .. } => {
            let of = |side: &Arc<Plan>| names(side).filter(|name| own.contains(name)).collect::<HashSet<_>>();
            let (mut first, mut second) = (of(left), of(right));
            first.extend(on.iter().map(|(name, _)| name.clone()));
            second.extend(on.iter().map(|(_, name)| name.clone()));
            vec![(left, first), (right, second)]
        }
        Operation::Sort { input, keys, .. } | Operation::SortWhole { input, keys } => {
            vec![(input, with(keys.iter().map(|key| key.column.clone()).collect()))]
        }
        Operation::Regroup { input, .. } => vec![(input, own.clone())],
    }
}

fn rebuilt(plan: &Arc<Plan>, own: &HashSet<String>, made: &HashMap<Id, Arc<Plan>>) -> Result<Arc<Plan>, FrameError> {
    let new = |input: &Arc<Plan>| Arc::clone(made.get(&Arc::as_ptr(input)).unwrap_or(input));
    match plan.operation() {
        Operation::Read { reader, columns } => {
            let schema = reader.schema();
            let kept = columns.iter().copied().filter(|&place| own.contains(schema.field(place).name())).collect();
            Plan::read_columns(Arc::clone(reader), kept)
        }
        Operation::Project { input, columns } => {
            new(input).project(columns.iter().filter(|(name, _)| own.contains(name)).cloned().collect())
        }
        Operation::Filter { input, predicate } => new(input).filter(predicate.clone()),
        Operation::Aggregate { input, keys, measures, drop_missing } => {
            let used = measures.iter().filter(|measure| own.contains(&measure.name)).cloned().collect();
            new(input).aggregate(keys.clone(), used, *drop_missing)
        }
        Operation::Join { left, right, on, kind, way } => new(left).join_by(&new(right), on.clone(), *kind, *way),
        Operation::Sort { input, keys, bounds: None } => new(input).sort(keys.clone()),
        Operation::Sort { input, keys, bounds: Some(bounds) } => {
            new(input).sort_at(keys.clone(), Arc::clone(bounds.column(0)))
        }
        Operation::SortWhole { input, keys } => new(input).sort_whole(keys.clone()),
        Operation::Regroup { input, partitions } => Ok(new(input).regroup(*partitions)),
    }
}

/// A plan that gives only the keys of an order, from columns that are cheap to make again.
pub(crate) fn keys_only(plan: &Arc<Plan>, keys: &[String]) -> Result<Arc<Plan>, FrameError> {
    for key in keys {
        place_of(plan.schema(), key)?;
    }
    let only = keys.iter().map(|key| (key.clone(), crate::expr::Expr::column(key))).collect();
    Ok(pruned(&[plan.project(only)?])?.remove(0))
}
