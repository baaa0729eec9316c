//! Decides which expressions get blocks of their own and which are computed inside their consumers.
//!
//! An elementwise chain, its sources and the reduction over it become one program. A chain that several programs need is
//! computed by each of them when that is cheaper than writing and reading its blocks; otherwise it gets blocks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use raskr_kernels::program::{OpCode, Source};

use crate::expr::{Expr, Kind};
use crate::index::{AffineMap, compose, identity};

/// Nanoseconds per element that writing a block and reading it again costs, about.
const MEMORY_NS: f64 = 6.0;
/// Nanoseconds per element for reading a block that exists anyway.
const READ_NS: f64 = 1.5;
/// The longest chain that one program takes in.
const DEPTH_MAX: u32 = 64;
/// The most operations that one program takes in (counted as a tree).
const SIZE_MAX: u32 = 512;

pub type Address = *const Expr;

pub fn address(expr: &Arc<Expr>) -> Address {
    Arc::as_ptr(expr)
}

/// Estimated cost of one element of an operation on vector units.
fn operation_ns(code: OpCode) -> f64 {
    use OpCode as C;
    match code {
        C::Exp | C::Exp2 | C::Log | C::Log2 | C::Log10 | C::Log1p | C::Sin | C::Cos | C::Tanh | C::Expm1 => 1.5,
        C::Power | C::FloatPower | C::Tan | C::Arcsin | C::Arccos | C::Arctan | C::Arctan2 | C::Sinh | C::Cosh => 6.0,
        C::Arcsinh | C::Arccosh | C::Arctanh | C::Hypot | C::Logaddexp | C::Logaddexp2 | C::Cbrt => 8.0,
        C::FloorDivide | C::Remainder | C::Fmod | C::Gcd | C::Lcm => 4.0,
        C::Divide | C::Sqrt | C::Reciprocal => 0.6,
        _ => 0.25,
    }
}

#[derive(Clone, Copy, Default)]
struct Facts {
    /// Can be computed anywhere, not only block by block: nothing below has blocks of its own.
    free: bool,
    cost_ns: f64,
    depth: u32,
    size: u32,
}

/// Which expressions get blocks.
pub struct Decision {
    /// All expressions, inputs before what is made of them.
    pub order: Vec<Arc<Expr>>,
    /// Those with blocks of their own.
    pub blocked: HashSet<Address>,
    facts: HashMap<Address, Facts>,
}

impl Decision {
    pub fn is_blocked(&self, expr: &Arc<Expr>) -> bool {
        self.blocked.contains(&address(expr))
    }

    /// Do programs read the expression's blocks? Those of free expressions are made again where they are needed, which
    /// is cheap or they would not be free.
    pub fn is_leaf(&self, expr: &Arc<Expr>) -> bool {
        self.is_blocked(expr) && !self.is_free(expr)
    }

    /// Can the expression be computed at any place, whatever the blocks?
    pub fn is_free(&self, expr: &Arc<Expr>) -> bool {
        self.facts.get(&address(expr)).is_some_and(|facts| facts.free)
    }
}

/// Everything that the outputs stand on, inputs first.
fn topological(outputs: &[Arc<Expr>]) -> Vec<Arc<Expr>> {
    let mut order = Vec::new();
    let mut seen: HashSet<Address> = HashSet::new();
    for output in outputs {
        let mut path: Vec<(Arc<Expr>, usize)> = Vec::new();
        if seen.insert(address(output)) {
            path.push((Arc::clone(output), 0));
        }
        while let Some((current, visited)) = path.last_mut() {
            let next = current.inputs().get(*visited).map(|input| Arc::clone(input));
            *visited += 1;
            match next {
                Some(input) => {
                    if seen.insert(address(&input)) {
                        path.push((input, 0));
                    }
                }
                None => {
                    if let Some((done, _)) = path.pop() {
                        order.push(done);
                    }
                }
            }
        }
    }
    order
}

/// Can the expression be part of a tile program at all?
fn fuses(expr: &Expr) -> bool {
    expr.is_native()
        && matches!(
            expr.kind(),
            Kind::Source { .. }
                | Kind::Memory { .. }
                | Kind::Elementwise { .. }
                | Kind::Cast { .. }
                | Kind::View { .. }
                | Kind::Rechunk { .. }
        )
}

fn facts_of(order: &[Arc<Expr>], blocked: &mut HashSet<Address>) -> HashMap<Address, Facts> {
    let mut all: HashMap<Address, Facts> = HashMap::with_capacity(order.len());
    for expr in order {
        let below = |input: &Arc<Expr>, blocked: &HashSet<Address>| -> Facts {
            if blocked.contains(&address(input)) {
                return Facts { free: false, cost_ns: READ_NS, depth: 0, size: 1 };
            }
            all.get(&address(input)).copied().unwrap_or_default()
        };
        let mut facts = match expr.kind() {
            Kind::Source { source, .. } => {
                let cost_ns = match source {
                    Source::Random(random) => random.cost_ns(),
                    _ => 0.1,
                };
                Facts { free: true, cost_ns, depth: 0, size: 1 }
            }
            Kind::Memory { .. } => Facts { free: true, cost_ns: 0.5, depth: 0, size: 1 },
            Kind::Elementwise { code, inputs } => {
                let start = Facts { free: true, cost_ns: operation_ns(*code), depth: 0, size: 1 };
                inputs.iter().fold(start, |sum, input| {
                    let facts = below(input, blocked);
                    Facts {
                        free: sum.free && facts.free,
                        cost_ns: sum.cost_ns + facts.cost_ns,
                        depth: sum.depth.max(facts.depth + 1),
                        size: sum.size.saturating_add(facts.size),
                    }
                })
            }
            Kind::Cast { input } | Kind::View { input, .. } => {
                let facts = below(input, blocked);
                Facts { cost_ns: facts.cost_ns + 0.2, depth: facts.depth + 1, ..facts }
            }
            Kind::Rechunk { input } => below(input, blocked),
            _ => Facts::default(),
        };
        let rechunks_blocks = matches!(expr.kind(), Kind::Rechunk { .. }) && !facts.free;
        if !fuses(expr) || rechunks_blocks || facts.depth > DEPTH_MAX || facts.size > SIZE_MAX {
            blocked.insert(address(expr));
            facts.free = false;
        }
        if blocked.contains(&address(expr)) {
            facts.free = false;
        }
        all.insert(address(expr), facts);
    }
    all
}

/// The expression whose blocks a consumer of blocks takes, views of blocks being looked through.
pub fn block_source(decision: &Decision, expr: &Arc<Expr>) -> (Arc<Expr>, AffineMap) {
    let mut current = Arc::clone(expr);
    let mut map = identity(expr.ndim());
    while let Kind::View { input, map: inner } = current.kind() {
        if decision.is_blocked(&current) || decision.is_free(&current) {
            break;
        }
        map = compose(inner, &map);
        current = Arc::clone(input);
    }
    if decision.is_blocked(&current) { (current, map) } else { (Arc::clone(expr), identity(expr.ndim())) }
}

/// Decides for everything that the outputs need.
pub fn decide(outputs: &[Arc<Expr>]) -> Decision {
    let order = topological(outputs);
    let mut blocked: HashSet<Address> = HashSet::new();
    loop {
        let facts = facts_of(&order, &mut blocked);
        let mut decision = Decision { order: order.clone(), blocked: blocked.clone(), facts };
        let roots = roots(&decision, outputs);
        let computed = places_computed(&decision, &roots);
        let mut expensive: HashSet<Address> = HashSet::new();
        for expr in decision.order.iter().rev() {
            let this = address(expr);
            if decision.is_blocked(expr) || matches!(expr.kind(), Kind::Memory { .. }) {
                continue;
            }
            let times = computed.get(&this).copied().unwrap_or(0);
            if times < 2 {
                continue;
            }
            let cost = decision.facts.get(&this).map_or(0.0, |facts| facts.cost_ns);
            let is_root = roots.iter().any(|(root, _)| address(root) == this);
            let limit = if is_root { READ_NS } else { MEMORY_NS };
            if (times - 1) as f64 * cost > limit {
                expensive.insert(this);
            }
        }
        // Only the topmost: what lies below them may be computed once thereafter.
        let mut covered: HashSet<Address> = HashSet::new();
        let mut chosen = Vec::new();
        for expr in decision.order.iter().rev() {
            let this = address(expr);
            let below_chosen = covered.contains(&this);
            if expensive.contains(&this) && !below_chosen {
                chosen.push(this);
            }
            if below_chosen || expensive.contains(&this) {
                covered.extend(expr.inputs().iter().map(|input| address(input)));
            }
        }
        if chosen.is_empty() {
            for (root, is_program) in roots {
                if !is_program {
                    decision.blocked.insert(address(&root));
                }
            }
            return decision;
        }
        blocked.extend(chosen);
    }
}

/// What is computed by a program of its own: expressions whose blocks are wanted, and (`true`) what reductions and their
/// like look at and do not store.
fn roots(decision: &Decision, outputs: &[Arc<Expr>]) -> Vec<(Arc<Expr>, bool)> {
    let mut roots: Vec<(Arc<Expr>, bool)> = Vec::new();
    let mut places: HashMap<Address, usize> = HashMap::new();
    let mut add = |expr: &Arc<Expr>, is_reduced: bool| {
        if decision.is_blocked(expr) {
            return;
        }
        match places.get(&address(expr)) {
            // Whoever wants blocks decides: a reduction can do with them too.
            Some(place) => roots[*place].1 &= is_reduced,
            None => {
                places.insert(address(expr), roots.len());
                roots.push((Arc::clone(expr), is_reduced));
            }
        }
    };
    for output in outputs {
        add(output, false);
    }
    for expr in &decision.order {
        if !decision.is_blocked(expr) {
            continue;
        }
        if fuses(expr) && !matches!(expr.kind(), Kind::Rechunk { .. }) {
            continue;
        }
        for input in expr.inputs() {
            match expr.kind() {
                Kind::Reduce { .. } | Kind::Filter { .. } | Kind::Count { .. } => add(input, true),
                _ => add(&block_source(decision, input).0, false),
            }
        }
    }
    roots
}

/// In how many programs, or at how many places of one, each expression is computed.
fn places_computed(decision: &Decision, roots: &[(Arc<Expr>, bool)]) -> HashMap<Address, usize> {
    let mut count: HashMap<Address, usize> = HashMap::new();
    let blocked_programs = decision.order.iter().filter(|expr| decision.is_blocked(expr) && fuses(expr));
    let starts: Vec<Arc<Expr>> =
        roots.iter().map(|(root, _)| Arc::clone(root)).chain(blocked_programs.cloned()).collect();
    for start in starts {
        let mut seen: HashSet<(Address, AffineMap)> = HashSet::new();
        let mut waiting = vec![(Arc::clone(&start), identity(start.ndim()))];
        let mut first = true;
        while let Some((expr, map)) = waiting.pop() {
            let enter = std::mem::take(&mut first);
            if (!enter && decision.is_blocked(&expr)) || !seen.insert((address(&expr), map.clone())) {
                continue;
            }
            *count.entry(address(&expr)).or_default() += 1;
            match expr.kind() {
                Kind::Elementwise { inputs, .. } => waiting.extend(inputs.iter().map(|i| (Arc::clone(i), map.clone()))),
                Kind::Cast { input } => waiting.push((Arc::clone(input), map)),
                Kind::Rechunk { input } if !decision.is_blocked(&expr) => waiting.push((Arc::clone(input), map)),
                Kind::View { input, map: inner } => waiting.push((Arc::clone(input), compose(inner, &map))),
                _ => {}
            }
        }
    }
    count
}
