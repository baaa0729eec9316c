//! Rows of the list of faults, played by the whole cluster: what is promised of each.

use std::sync::Arc;

use raskr_sched::{
    Blob, BodySpec, ClientId, Event, FromClient, FutureId, Input, Key, RequestId, Submission, TaskSpec, WorkerStatus,
};

use super::client::{Future, Status};
use super::graph::Plan;
use super::host::Host;
use super::network::Node;
use super::run::{is_settled, play};
use super::world::{Happening, World};

const SECOND: u64 = 1_000_000;

/// A sound cluster of two-threaded workers, and one client.
fn cluster(workers: usize) -> World {
    let mut world = World::new(1);
    world.network.calm();
    world.network.delay_micros = (50, 200);
    world.hosts = (0..workers).map(|number| Host::new(number, 2, 0, 0, 1)).collect();
    world.clients.truncate(1);
    for host in 0..workers {
        world.start(host);
        world.after(0, Happening::WorkerTick(host));
    }
    world.after(0, Happening::SchedulerTick);
    world.schedule(Event::ClientJoined { client: ClientId(0) }).unwrap();
    until(&mut world, 2 * SECOND);
    world
}

fn until(world: &mut World, time: u64) {
    play(world, time).unwrap();
}

/// So many tasks that take so long, all wanted; each takes the value of another that nobody wants if `chained`.
fn submit(world: &mut World, count: usize, micros: u64, chained: bool) {
    let (mut tasks, mut wants) = (Vec::new(), Vec::new());
    let spec = |key: &Key, inputs| TaskSpec {
        key: key.clone(),
        body: 0,
        index: 0,
        arguments: None,
        inputs,
        annotations: None,
    };
    for number in 0..count {
        let key: Key = Arc::from(format!("wanted-{number}"));
        let mut plan = Plan { bytes: 100, micros, ..Plan::default() };
        let mut inputs = Vec::new();
        if chained {
            let input: Key = Arc::from(format!("input-{number}"));
            world.plans.add(&input, plan.clone());
            tasks.push(spec(&input, vec![]));
            inputs.push(Input::Here(tasks.len() as u32 - 1));
            plan.inputs.push(input);
        }
        world.plans.add(&key, plan);
        tasks.push(spec(&key, inputs));
        let future = FutureId(number as u64 + 1);
        wants.push((tasks.len() as u32 - 1, future));
        world.clients[0].futures.insert(future, Future { key, status: Status::Pending, own: None, lent: false });
    }
    let bodies = vec![BodySpec { token: 1, code: Blob::from(vec![1]), class: Arc::from("task") }];
    world.say(
        0,
        vec![FromClient::Submit(Submission { request: RequestId(1), bodies, annotations: vec![], tasks, wants })],
    );
}

fn executions(world: &World) -> u64 {
    world.tries.values().map(|tries| u64::from(*tries)).sum()
}

/// Plays on until all is done, and says when that was.
fn finish(world: &mut World) -> u64 {
    let begun = world.now.as_micros();
    while !is_settled(world) {
        assert!(world.now.as_micros() < begun + 100 * SECOND, "not done after 100 s");
        let next = world.now.as_micros() + SECOND / 4;
        until(world, next);
    }
    let finished = world.clients[0].futures.values().filter(|future| future.status == Status::Finished).count();
    assert_eq!(finished, world.clients[0].futures.len());
    world.now.as_micros()
}

#[test]
fn row_1_five_kills_cost_what_was_there_and_nothing_else_and_both_workers_are_back() {
    let mut world = cluster(2);
    submit(&mut world, 2000, 2_000, false);
    let mut may_be_repeated = 0;
    for kill in 0..5 {
        let next = world.now.as_micros() + 300_000;
        until(&mut world, next);
        let host = kill % 2;
        // Values there, what ran, and what was about to be told.
        let worker = world.hosts[host].worker.as_ref().unwrap();
        may_be_repeated += worker.holds().count() + worker.executing();
        world.crash(host).unwrap();
        world.after(SECOND / 4, Happening::Restart(host));
    }
    finish(&mut world);
    let repeated = executions(&world) - 2000;
    assert!(repeated > 0 && repeated <= may_be_repeated as u64, "{repeated} of {may_be_repeated}");
    let running = world.scheduler.workers().iter().filter(|view| view.status == WorkerStatus::Running).count();
    assert_eq!(running, 2);
}

#[test]
fn row_6_a_frozen_worker_is_given_up_after_fifteen_seconds_and_does_no_harm_when_it_wakes() {
    let mut world = cluster(2);
    submit(&mut world, 200, 20_000, true);
    until(&mut world, 2 * SECOND + 500_000);
    let frozen = world.now.as_micros();
    world.hosts[0].frozen = true;
    until(&mut world, frozen + 6 * SECOND);
    let statuses = |world: &World| world.scheduler.workers().iter().map(|view| view.status).collect::<Vec<_>>();
    assert!(statuses(&world).contains(&WorkerStatus::Suspect));
    until(&mut world, frozen + 17 * SECOND);
    assert!(statuses(&world).contains(&WorkerStatus::Gone));
    world.thaw(0).unwrap();
    finish(&mut world);
    assert_eq!(statuses(&world), [WorkerStatus::Running; 2]);
}

#[test]
fn row_8_a_cut_of_ten_seconds_repeats_nothing() {
    let mut world = cluster(2);
    submit(&mut world, 200, 50_000, true);
    until(&mut world, 3 * SECOND);
    for (from, to) in [(Node::Worker(0), Node::Scheduler), (Node::Scheduler, Node::Worker(0))] {
        world.network.cut(from, to);
        world.after(10 * SECOND, Happening::Join(from, to));
    }
    finish(&mut world);
    assert_eq!(executions(&world), 400);
}

#[test]
fn row_9_both_sides_of_a_one_way_cut_agree_within_twenty_seconds() {
    for (from, to) in [(Node::Worker(0), Node::Scheduler), (Node::Scheduler, Node::Worker(0))] {
        let mut world = cluster(2);
        submit(&mut world, 100, 50_000, true);
        until(&mut world, 3 * SECOND);
        world.network.cut(from, to);
        until(&mut world, 23 * SECOND);
        // The scheduler hears the worker, or it has given it up; and a worker that it has given up knows.
        let gone = world.scheduler.workers().iter().any(|view| view.status == WorkerStatus::Gone);
        let attached = world.hosts[0].worker.as_ref().unwrap().is_attached();
        assert!(!attached, "{from:?} to {to:?}");
        assert!(gone || from == Node::Scheduler);
        world.network.heal();
        finish(&mut world);
        // A value that came twice would have been told of twice, which the client takes for a fault.
        assert!(executions(&world) <= 400);
    }
}

#[test]
fn row_12_a_worker_that_is_asked_to_end_leaves_nothing_to_repeat() {
    let mut world = cluster(3);
    submit(&mut world, 200, 20_000, true);
    until(&mut world, 3 * SECOND);
    let leaving = world.scheduler.workers()[0].worker;
    world.schedule(Event::RetireAsked { workers: vec![leaving], deadline: None }).unwrap();
    until(&mut world, 6 * SECOND);
    assert!(world.hosts[0].worker.is_none() || world.hosts[0].process > 3, "it has ended");
    finish(&mut world);
    assert_eq!(executions(&world), 400);
}
