//! Calls that clients submit: from Python's functions and arguments to the tasks of one submission.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use raskr_cluster::{Client, Draft, Packed, Scattered};
use raskr_graph::{Input, Token};
use raskr_sched::{Annotations, Blob, BodySpec, Input as TaskInput, Keeping, Key, TaskSpec};
use smallvec::SmallVec;

use super::client::{ClusterClient, other_than_text, text_of, wait_for};
use super::future::{ClusterFuture, Handle, Pickling, RemoteValue};
use super::task::{self, BodyCode, CallParts, token_of};
use super::values::{pack_object, pack_value};
use super::{options, plain};
use crate::call::{Callee, Function, Identity, PyCall};
use crate::error::to_python;
use crate::node::unique;
use crate::object::PyForeign;
use crate::origin::Origin;
use crate::template::{Arg, Scan};

/// Keyword arguments that many calls share travel once from this size on.
const SHARED_BYTES_MIN: u64 = 16 << 10;

/// Code that tasks of a submission have in common.
#[derive(Clone, Copy)]
pub struct Body {
    place: u32,
    token: u128,
}

/// Tasks that are being put together.
pub struct Calls<'py> {
    owner: Bound<'py, ClusterClient>,
    client: Arc<Client>,
    annotations: Option<u32>,
    draft: Draft,
    /// By the address of the function, which `alive` keeps, or by the name of what needs none.
    functions: HashMap<usize, Body>,
    methods: HashMap<String, Body>,
    /// Objects that travel once, by their addresses.
    data: HashMap<usize, (Key, Arc<Handle>)>,
    alive: Vec<Bound<'py, PyAny>>,
    /// Data that tasks take, held until it has been taken, and beyond with their futures.
    holds: Vec<Arc<Handle>>,
    /// Data that workers have only while tasks take it, held with their futures.
    lent: Vec<Arc<Handle>>,
    lending: bool,
    /// Futures under lazy values in the tasks' code and arguments are held with the tasks' futures.
    pickling: Pickling,
    /// For each want: the key, unless it is its text.
    keys: Vec<Option<Py<PyAny>>>,
}

/// A call before its function is known.
pub struct Arguments {
    args: SmallVec<[Arg; 2]>,
    keywords: Option<Py<PyTuple>>,
    inputs: Vec<Input>,
}

/// Where the inputs of a task come from: each once, and for each input of the call the place in that list.
pub struct Inputs {
    pub list: Vec<TaskInput>,
    pub places: Vec<u32>,
}

impl Inputs {
    /// Lists each of some inputs once.
    pub fn of(each: impl Iterator<Item = TaskInput>) -> Inputs {
        let (mut list, mut places): (Vec<TaskInput>, _) = (Vec::new(), Vec::new());
        // Most calls have few: a map pays for many only.
        let mut known: HashMap<TaskInputKey, u32> = HashMap::new();
        for input in each {
            let place = if list.len() < 8 {
                list.iter().position(|listed| *listed == input).map(|place| place as u32)
            } else {
                if known.is_empty() {
                    known.extend(list.iter().zip(0..).map(|(listed, place)| (TaskInputKey::of(listed), place)));
                }
                known.get(&TaskInputKey::of(&input)).copied()
            };
            places.push(place.unwrap_or_else(|| {
                let place = list.len() as u32;
                if !known.is_empty() {
                    known.insert(TaskInputKey::of(&input), place);
                }
                list.push(input);
                place
            }));
        }
        Inputs { list, places }
    }
}

#[derive(PartialEq, Eq, Hash)]
enum TaskInputKey {
    Here(u32),
    Known(Key),
}

impl TaskInputKey {
    fn of(input: &TaskInput) -> TaskInputKey {
        match input {
            TaskInput::Here(place) => TaskInputKey::Here(*place),
            TaskInput::Known(key) => TaskInputKey::Known(Arc::clone(key)),
        }
    }
}

impl<'py> Calls<'py> {
    pub fn new(owner: &Bound<'py, ClusterClient>, annotations: Option<Annotations>) -> Calls<'py> {
        let mut draft = Draft::default();
        let annotations = annotations.map(|annotations| {
            draft.annotations.push(annotations);
            0
        });
        Calls {
            owner: owner.clone(),
            client: Arc::clone(owner.get().client()),
            annotations,
            draft,
            functions: HashMap::new(),
            methods: HashMap::new(),
            data: HashMap::new(),
            alive: Vec::new(),
            holds: Vec::new(),
            lent: Vec::new(),
            lending: false,
            pickling: Pickling::new(),
            keys: Vec::new(),
        }
    }

    fn py(&self) -> Python<'py> {
        self.owner.py()
    }

    /// The keys say what the tasks yield, however they are made.
    pub fn quiet(&mut self) {
        self.draft.quiet = true;
    }

    /// Whether data that is sent from now on is lent: somebody waits for the tasks that take it, and its memory stays as it is.
    pub fn lend(&mut self, lending: bool) {
        self.lending = lending;
    }

    /// The annotations that all tasks have which have none of their own.
    pub fn annotations(&self) -> Option<u32> {
        self.annotations
    }

    /// Tasks' own annotations.
    pub fn annotate(&mut self, annotations: Annotations) -> u32 {
        let found = self.draft.annotations.iter().position(|known| *known == annotations);
        found.unwrap_or_else(|| {
            self.draft.annotations.push(annotations);
            self.draft.annotations.len() - 1
        }) as u32
    }

    pub fn annotations_at(&self, place: u32) -> Option<&Annotations> {
        self.draft.annotations.get(place as usize)
    }

    /// The body of a function's calls, pickled when it is first met.
    pub fn function(&mut self, function: &Function) -> PyResult<Body> {
        let object = function.object().bind(self.py());
        let address = object.as_ptr() as usize;
        if let Some(body) = self.functions.get(&address) {
            return Ok(*body);
        }
        let code = BodyCode::of_function(object)?.encoded()?;
        let body = self.body(code, function.name());
        self.alive.push(object.clone());
        self.functions.insert(address, body);
        Ok(body)
    }

    /// The body of what needs no function; `name` is whom its cost is counted with.
    pub fn no_function(&mut self, name: &str) -> PyResult<Body> {
        if let Some(body) = self.methods.get(name) {
            return Ok(*body);
        }
        let body = self.body(BodyCode::NoFunction.encoded()?, name);
        self.methods.insert(name.to_owned(), body);
        Ok(body)
    }

    pub fn body(&mut self, code: Blob, class: &str) -> Body {
        let token = token_of(&code);
        let place = self.draft.bodies.len() as u32;
        self.draft.bodies.push(BodySpec { token, code, class: class.into() });
        Body { place, token }
    }

    /// Reads arguments: futures in them, and in lists, tuples, sets and dicts, become inputs.
    pub fn arguments(
        &mut self,
        args: impl Iterator<Item = Bound<'py, PyAny>>,
        shared: &Keywords,
    ) -> PyResult<Arguments> {
        let mut scan = Scan::for_futures(shared.inputs.clone());
        let mut list = SmallVec::new();
        for arg in args {
            list.push(scan.arg(&arg)?);
        }
        list.extend(shared.args.iter().map(|arg| arg.copy(self.py())));
        let keywords = shared.names.as_ref().map(|names| names.clone_ref(self.py()));
        Ok(Arguments { args: list, keywords, inputs: scan.inputs })
    }

    /// Adds a task that calls `function`, and wants its value.
    pub fn call(
        &mut self,
        function: &Arc<Function>,
        body: Body,
        arguments: Arguments,
        key: Option<&Bound<'py, PyAny>>,
        name: &str,
        pure: bool,
    ) -> PyResult<()> {
        let each = arguments.inputs.iter().map(|input| self.known(input)).collect::<PyResult<Vec<_>>>()?;
        let inputs = Inputs::of(each.into_iter());
        let call = PyCall {
            callee: Callee::Function(Arc::clone(function)),
            args: arguments.args,
            keywords: arguments.keywords,
            identity: Identity::Unique,
            origin: Origin::unknown(),
        };
        let parts = task::encode(self.py(), &call, &inputs.places, inputs.list.len() as u32)?;
        let (own, text) = match key {
            Some(key) => (other_than_text(key), Some(text_of(key)?)),
            None => (None, None),
        };
        let (code, list) = self.encoded(parts, inputs.list)?;
        let text = text.unwrap_or_else(|| {
            if !pure {
                return format!("{name}-{}", unique()).into();
            }
            let token = Token::of("call", |hasher| {
                hasher.token(Token(body.token)).bytes(&code.0).list(list.len());
                for input in &list {
                    if let TaskInput::Known(key) = input {
                        hasher.str(key);
                    }
                }
            });
            format!("{name}-{token}").into()
        });
        let place = self.task(text, body, 0, Some(code), list, self.annotations);
        self.draft.wants.push(place);
        self.keys.push(own);
        Ok(())
    }

    /// The arguments of a task, with its large constants among the inputs.
    pub fn encoded(&mut self, parts: CallParts<'py>, mut inputs: Vec<TaskInput>) -> PyResult<(Blob, Vec<TaskInput>)> {
        for object in &parts.large {
            let key = self.data_of(object)?;
            inputs.push(TaskInput::Known(key));
        }
        Ok((parts.arguments.encoded()?, inputs))
    }

    /// Adds a task; gives its place.
    pub fn task(
        &mut self,
        key: Key,
        body: Body,
        index: u32,
        arguments: Option<Blob>,
        inputs: Vec<TaskInput>,
        annotations: Option<u32>,
    ) -> u32 {
        self.draft.tasks.push(TaskSpec { key, body: body.place, index, arguments, inputs, annotations });
        self.draft.tasks.len() as u32 - 1
    }

    /// Wants the value of a task that was added.
    pub fn want(&mut self, task: u32) {
        self.draft.wants.push(task);
        self.keys.push(None);
    }

    /// What an input of a call is to the scheduler.
    fn known(&self, input: &Input) -> PyResult<TaskInput> {
        if let Input::Call(call) = input
            && let Some(value) = RemoteValue::of(call.op().as_ref())
        {
            return self.remote(value);
        }
        Err(PyValueError::new_err("an argument is a lazy value: compute it first, or make the call lazy too"))
    }

    /// The value of a future, which has to be of this cluster.
    pub fn remote(&self, value: &RemoteValue) -> PyResult<TaskInput> {
        let theirs = value.handle().client();
        if !Arc::ptr_eq(theirs, &self.client) && theirs.welcomed().address != self.client.welcomed().address {
            return Err(PyValueError::new_err(format!(
                "'{}' is a future of the cluster at {}, and this client is of that at {}",
                value.key(),
                theirs.welcomed().address,
                self.client.welcomed().address
            )));
        }
        Ok(TaskInput::Known(Arc::clone(value.key())))
    }

    /// Sends an object to the workers as data of its own, once; gives its key.
    fn data_of(&mut self, object: &Bound<'py, PyAny>) -> PyResult<Key> {
        let address = object.as_ptr() as usize;
        if let Some((key, _)) = self.data.get(&address) {
            return Ok(Arc::clone(key));
        }
        let packed = pack_object(self.py(), object)?;
        let kind = object.get_type().name()?.to_string();
        let (key, handle) = self.data(packed, &kind);
        self.alive.push(object.clone());
        self.data.insert(address, (Arc::clone(&key), handle));
        Ok(key)
    }

    /// A value of the engine's as data of its own.
    pub fn data_of_value(&mut self, value: &raskr_base::Value, kind: &str) -> PyResult<(Key, Arc<Handle>)> {
        let packed = pack_value(value).map_err(|error| to_python(self.py(), error))?;
        Ok(self.data(packed, kind))
    }

    /// The same, of a value whose key says what it holds.
    pub fn data_of_block(&mut self, value: &raskr_base::Value, key: String) -> PyResult<(Key, Arc<Handle>)> {
        let packed = pack_value(value).map_err(|error| to_python(self.py(), error))?;
        Ok(self.data_at(packed, key.into()))
    }

    fn data(&mut self, packed: Packed, kind: &str) -> (Key, Arc<Handle>) {
        // What is lent is gone when its tasks have run: nobody finds it by what it holds.
        let key = match self.lending {
            true => format!("{kind}-{}", unique()).into(),
            false => self.py().detach(|| content_key(&packed, kind)),
        };
        self.data_at(packed, key)
    }

    fn data_at(&mut self, packed: Packed, key: Key) -> (Key, Arc<Handle>) {
        // Who wants data to stay finds none under this key that does not.
        let key = if self.lending { Key::from(format!("lent-{key}")) } else { key };
        let keeping = if self.lending { Keeping::Lent } else { Keeping::Kept };
        let values = vec![Scattered { key: Arc::clone(&key), value: packed, keeping }];
        let client = &self.client;
        let futures = self.py().detach(|| client.scatter(values, 1));
        let handle = Handle::new(Arc::clone(&self.client), futures.first().copied().unwrap_or_default());
        let held = if self.lending { &mut self.lent } else { &mut self.holds };
        held.push(Arc::clone(&handle));
        (key, handle)
    }

    /// A large object as an input of calls.
    fn data_input(&mut self, object: &Bound<'py, PyAny>) -> PyResult<Input> {
        let key = self.data_of(object)?;
        let handle = self.data.get(&(object.as_ptr() as usize)).map(|(_, handle)| Arc::clone(handle));
        let handle = handle.ok_or_else(|| PyValueError::new_err("data of an argument is not there"))?;
        Ok(RemoteValue::input(handle, key, None, None))
    }

    /// Submits the tasks; the futures of those that are wanted.
    pub fn submit(self) -> PyResult<Vec<Py<ClusterFuture>>> {
        let py = self.py();
        let Calls { owner, client, draft, mut holds, lent, pickling, keys, .. } = self;
        let texts: Vec<Key> = draft.wants.iter().map(|task| Arc::clone(&draft.tasks[*task as usize].key)).collect();
        wait_for(py, None, |within| client.wait_for_room(within).then_some(()))?;
        let futures = py.detach(|| client.submit(draft));
        for hold in &holds {
            client.keep_until_done(hold.future());
        }
        let lasting: Vec<_> = holds.iter().filter(|hold| client.is_kept(hold.future())).cloned().collect();
        holds.extend(pickling.taken().into_iter().chain(lent));
        let shared = |list: Vec<Arc<Handle>>| (!list.is_empty()).then(|| Arc::new(list));
        let (holds, lasting) = (shared(holds), shared(lasting));
        let made = futures.into_iter().zip(texts).zip(keys);
        made.map(|((future, text), key)| {
            let handle = Handle::new(Arc::clone(&client), future);
            let future = ClusterFuture::new(owner.clone().unbind(), handle, text).with_key(key);
            Py::new(py, future.holding(holds.clone(), lasting.clone()))
        })
        .collect()
    }
}

/// The key of data by its content.
pub fn content_key(packed: &Packed, kind: &str) -> Key {
    let token = Token::of("data", |hasher| {
        hasher.bytes(&packed.head).list(packed.buffers.len());
        for buffer in &packed.buffers {
            hasher.token(Token::of_memory(buffer.as_slice()));
        }
    });
    format!("{kind}-{token}").into()
}

/// Keyword arguments that calls have in common, read once.
#[derive(Default)]
pub struct Keywords {
    names: Option<Py<PyTuple>>,
    args: Vec<Arg>,
    inputs: Vec<Input>,
}

impl Keywords {
    /// `many`: several calls have them, so that what is not small travels once.
    pub fn read<'py>(calls: &mut Calls<'py>, kwargs: Option<&Bound<'py, PyDict>>, many: bool) -> PyResult<Keywords> {
        let Some(kwargs) = kwargs.filter(|kwargs| !kwargs.is_empty()) else { return Ok(Keywords::default()) };
        let py = kwargs.py();
        let mut scan = Scan::for_futures(Vec::new());
        let (mut names, mut args) = (Vec::with_capacity(kwargs.len()), Vec::with_capacity(kwargs.len()));
        for (name, value) in kwargs.iter() {
            names.push(name);
            let mut arg = scan.arg(&value)?;
            if many
                && let Arg::Constant(object) = &arg
                && !plain::is_small(object.bind(py))
                && PyForeign::new(object.bind(py).clone()).size() >= SHARED_BYTES_MIN
            {
                arg = scan.input(calls.data_input(&value)?);
            }
            args.push(arg);
        }
        Ok(Keywords { names: Some(PyTuple::new(py, names)?.unbind()), args, inputs: scan.inputs })
    }
}

/// One call of a function for each place in lists; as many as the shortest has.
#[allow(clippy::too_many_arguments)]
pub fn map<'py>(
    owner: &Bound<'py, ClusterClient>,
    function: &Bound<'py, PyAny>,
    iterables: &[Bound<'py, PyList>],
    kwargs: Option<&Bound<'py, PyDict>>,
    keys: Option<&[Bound<'py, PyAny>]>,
    name: Option<&str>,
    pure: bool,
    annotations: Option<Annotations>,
) -> PyResult<Vec<Py<ClusterFuture>>> {
    let len = iterables.iter().map(|list| list.len()).min().unwrap_or(0);
    if let Some(keys) = keys
        && keys.len() != len
    {
        return Err(PyValueError::new_err(format!("{} keys for {len} calls: expected one for each", keys.len())));
    }
    let mut calls = Calls::new(owner, annotations);
    let function = Arc::new(Function::new(function.clone().unbind()));
    let body = calls.function(&function)?;
    let name = name.unwrap_or_else(|| function.name());
    let keywords = Keywords::read(&mut calls, kwargs, len > 1)?;
    for place in 0..len {
        let args = iterables.iter().map(|list| list.get_item(place)).collect::<PyResult<SmallVec<[_; 2]>>>()?;
        let arguments = calls.arguments(args.into_iter(), &keywords)?;
        calls.call(&function, body, arguments, keys.map(|keys| &keys[place]), name, pure)?;
    }
    calls.submit()
}

/// One call.
pub fn submit<'py>(
    owner: &Bound<'py, ClusterClient>,
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
    key: Option<&Bound<'py, PyAny>>,
    pure: bool,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Py<ClusterFuture>> {
    let mut calls = Calls::new(owner, options::annotations(options)?);
    let function = Arc::new(Function::new(function.clone().unbind()));
    let body = calls.function(&function)?;
    let keywords = Keywords::read(&mut calls, kwargs, false)?;
    let arguments = calls.arguments(args.iter(), &keywords)?;
    let name = function.name().to_owned();
    calls.call(&function, body, arguments, key, &name, pure)?;
    let mut futures = calls.submit()?;
    futures.pop().ok_or_else(|| PyValueError::new_err("nothing was submitted"))
}
