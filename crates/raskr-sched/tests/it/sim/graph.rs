//! Random graphs: what their tasks do, and what their values ought to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use raskr_sched::{Annotations, Blob, BodySpec, FutureId, Input, Key, RequestId, Submission, TaskSpec};

use super::random::Random;

/// What a task does when it runs.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub bytes: u64,
    pub micros: u64,
    /// How often it raises, how often it kills its process, and how often it asks to begin again, before it succeeds.
    pub raises: u32,
    pub kills: u32,
    pub agains: u32,
    pub inputs: Vec<Key>,
    pub scattered: bool,
}

/// Everything that was ever to be computed.
#[derive(Default)]
pub struct Plans {
    pub plans: BTreeMap<Key, Plan>,
    contents: BTreeMap<Key, u64>,
    next: u64,
}

pub fn content_of(key: &str, inputs: impl Iterator<Item = u64>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in key.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    inputs.fold(hash, |hash, input| (hash.rotate_left(17) ^ input).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

impl Plans {
    pub fn new_key(&mut self, name: &str) -> Key {
        self.next += 1;
        Key::from(format!("{name}-{}", self.next))
    }

    pub fn add(&mut self, key: &Key, plan: Plan) {
        let content = content_of(key, plan.inputs.iter().map(|input| self.contents[input]));
        self.contents.insert(key.clone(), content);
        self.plans.insert(key.clone(), plan);
    }

    /// The one right value of a key.
    pub fn content(&self, key: &Key) -> u64 {
        self.contents[key]
    }
}

/// Settings of a run that graphs depend on.
#[derive(Clone, Copy)]
pub struct Shape {
    pub tasks_max: u64,
    pub bytes_max: u64,
    pub micros_max: u64,
    pub workers: u64,
    pub restricted_percent: u64,
    pub failing_percent: u64,
}

/// A graph of random shape, some of whose tasks take `known` keys, and the futures that are wanted of it.
pub fn submission(
    plans: &mut Plans,
    random: &mut Random,
    shape: Shape,
    known: &[Key],
    mut future: impl FnMut() -> FutureId,
) -> (Submission, Vec<(FutureId, Key)>) {
    let annotations: Vec<Annotations> = (0..3).map(|_| annotations(random, shape)).collect();
    let bodies = (0..3)
        .map(|body: u128| BodySpec {
            token: body,
            code: Blob::from(vec![body as u8; 3]),
            class: Arc::from(format!("class-{body}")),
        })
        .collect();
    let count = random.between(1, shape.tasks_max);
    let wide = random.chance(30);
    let mut tasks: Vec<TaskSpec> = Vec::new();
    for number in 0..count {
        let key = plans.new_key("task");
        let mut inputs: Vec<(Key, Input)> = Vec::new();
        let wanted = if number == 0 { random.below(2) } else { random.below(if wide { 2 } else { 4 }) };
        for _ in 0..wanted {
            let (text, input) = if random.chance(10) && !known.is_empty() {
                let key = random.pick(known).unwrap();
                (key.clone(), Input::Known(key))
            } else if number > 0 {
                let at = if random.chance(30) { 0 } else { random.below(number) };
                (tasks[at as usize].key.clone(), Input::Here(at as u32))
            } else {
                continue;
            };
            if inputs.iter().all(|(known, _)| *known != text) {
                inputs.push((text, input));
            }
        }
        let note = random.chance(shape.restricted_percent).then(|| random.below(3) as u32);
        let fails = random.chance(shape.failing_percent);
        let plan = Plan {
            bytes: random.below(shape.bytes_max),
            micros: random.between(10, shape.micros_max),
            raises: if fails && random.chance(70) { random.between(1, 3) as u32 } else { 0 },
            kills: if fails && random.chance(30) { random.between(1, 5) as u32 } else { 0 },
            agains: if fails && number.is_multiple_of(3) { number as u32 % 5 + 1 } else { 0 },
            inputs: inputs.iter().map(|(key, _)| key.clone()).collect(),
            scattered: false,
        };
        plans.add(&key, plan);
        tasks.push(TaskSpec {
            key,
            body: random.below(3) as u32,
            index: number as u32,
            arguments: random.chance(30).then(|| Blob::from(vec![number as u8])),
            inputs: inputs.into_iter().map(|(_, input)| input).collect(),
            annotations: note,
        });
    }
    let mut wants = Vec::new();
    let mut futures = Vec::new();
    for (number, task) in tasks.iter().enumerate() {
        if number + 1 == tasks.len() || random.chance(20) {
            let future = future();
            wants.push((number as u32, future));
            futures.push((future, task.key.clone()));
        }
    }
    (Submission { request: RequestId(0), bodies, annotations, tasks, wants }, futures)
}

fn annotations(random: &mut Random, shape: Shape) -> Annotations {
    let mut workers = Vec::new();
    if random.chance(40) {
        for _ in 0..random.between(1, 2) {
            workers.push(Arc::from(format!("worker-{}", random.below(shape.workers))));
        }
    }
    let mut resources = Vec::new();
    if workers.is_empty() && random.chance(40) {
        resources.push((Arc::from("GPU"), 1_000_000));
    }
    Annotations {
        priority: random.below(3) as i32 - 1,
        retries: random.below(3) as u16,
        allow_other_workers: random.chance(50),
        workers,
        resources,
    }
}
