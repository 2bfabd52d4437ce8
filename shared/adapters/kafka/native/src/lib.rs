//! Messages enter librdkafka's queue without passing through Python.
//!
//! confluent-kafka makes the client and does all the rest: transactions, errors, closing. It does not show the client's handle, so
//! this library is one of librdkafka's plugins (`plugin.library.paths`): it hears of every client that is made with
//! it. It links nothing: the functions come from Python, out of the very librdkafka that confluent-kafka uses.
//!
//! `shared/adapters/kafka/enqueue.py` is the other half, and the only caller.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, OnceLock};

type OnNew = unsafe extern "C" fn(*mut c_void, *const c_void, *mut c_void, *mut c_char, usize) -> c_int;
type OnDestroy = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;

/// Functions of librdkafka, in the order in which Python gives them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Functions {
    conf_interceptor_add_on_new: unsafe extern "C" fn(*mut c_void, *const c_char, OnNew, *mut c_void) -> c_int,
    interceptor_add_on_destroy: unsafe extern "C" fn(*mut c_void, *const c_char, OnDestroy, *mut c_void) -> c_int,
    topic_new: unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_void) -> *mut c_void,
    topic_destroy: unsafe extern "C" fn(*mut c_void),
    produce: unsafe extern "C" fn(
        *mut c_void,
        i32,
        c_int,
        *mut c_void,
        usize,
        *const c_void,
        usize,
        *mut c_void,
    ) -> c_int,
    last_error: unsafe extern "C" fn() -> c_int,
    producev: unsafe extern "C" fn(*mut c_void, ...) -> c_int,
    headers_new: unsafe extern "C" fn(usize) -> *mut c_void,
    header_add: unsafe extern "C" fn(*mut c_void, *const c_char, isize, *const c_void, isize) -> c_int,
    headers_copy: unsafe extern "C" fn(*const c_void) -> *mut c_void,
    headers_destroy: unsafe extern "C" fn(*mut c_void),
}

/// Bytes that Python keeps for as long as it calls.
#[repr(C)]
pub struct Text {
    data: *const u8,
    size: usize,
}

impl Text {
    unsafe fn bytes(&self) -> &[u8] {
        std::slice::from_raw_parts(self.data, self.size)
    }
}

/// What is added to each message: how keys and values begin, both empty for as they are; and headers, of which names and values
/// take turns.
#[repr(C)]
pub struct Added {
    key: Text,
    value: Text,
    headers: *const Text,
    count: usize,
}

static FUNCTIONS: OnceLock<Functions> = OnceLock::new();

const NAME: &std::ffi::CStr = c"headrace";
const ANY_PARTITION: i32 = -1;
const COPY: c_int = 2;
const NO_ERROR: c_int = 0;
const FAIL: c_int = -196;
/// What the arguments of `producev` are.
const END: c_int = 0;
const TOPIC: c_int = 2;
const VALUE: c_int = 4;
const KEY: c_int = 5;
const FLAGS: c_int = 7;
const HEADERS: c_int = 10;
const INVALID_ARGUMENT: c_int = -186;
/// The length of a value that is none: a tombstone.
const NONE: u64 = u64::MAX;

/// The handle of one client; null once that is gone. Held for as long as messages are enqueued, so that it cannot go meanwhile.
pub struct Client(Mutex<*mut c_void>);

thread_local! {
    /// The client that was made last on this thread, until it is asked for.
    static MADE: RefCell<Option<Arc<Client>>> = const { RefCell::new(None) };
}

/// To be called once, before any client is made.
///
/// # Safety
/// `functions` points at librdkafka's.
#[no_mangle]
pub unsafe extern "C" fn headrace_use(functions: *const Functions) {
    let _ = FUNCTIONS.set(*functions);
}

/// librdkafka's way into a plugin, when a configuration names it.
///
/// # Safety
/// Called by librdkafka.
#[no_mangle]
pub unsafe extern "C" fn conf_init(
    conf: *mut c_void,
    _opaque: *mut *mut c_void,
    _error: *mut c_char,
    _size: usize,
) -> c_int {
    match FUNCTIONS.get() {
        Some(functions) => (functions.conf_interceptor_add_on_new)(conf, NAME.as_ptr(), on_new, null_mut()),
        None => FAIL,
    }
}

unsafe extern "C" fn on_new(
    handle: *mut c_void,
    _conf: *const c_void,
    _opaque: *mut c_void,
    _error: *mut c_char,
    _size: usize,
) -> c_int {
    let Some(functions) = FUNCTIONS.get() else { return FAIL };
    let client = Arc::new(Client(Mutex::new(handle)));
    let opaque = Arc::into_raw(client.clone()) as *mut c_void;
    MADE.set(Some(client));
    (functions.interceptor_add_on_destroy)(handle, NAME.as_ptr(), on_destroy, opaque)
}

unsafe extern "C" fn on_destroy(_handle: *mut c_void, opaque: *mut c_void) -> c_int {
    let client = Arc::from_raw(opaque as *const Client);
    *client.0.lock().expect("nobody panics here") = null_mut();
    NO_ERROR
}

/// The client that was made last on this thread; null if there is none. To be given back by `headrace_forget`.
#[no_mangle]
pub extern "C" fn headrace_made() -> *const Client {
    MADE.take().map_or(std::ptr::null(), Arc::into_raw)
}

/// # Safety
/// `client` came from `headrace_made` and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn headrace_forget(client: *const Client) {
    drop(Arc::from_raw(client));
}

/// Enqueues messages in their order, from the one with the number `first` on, up to the first that is not taken.
///
/// `data` has all keys and values one behind the other, `lengths` that of the key and of the value for each of `count` messages.
/// `added` is what each gets besides; null for nothing.
///
/// Returns how many are enqueued now, those before `first` included; if not all, `error` tells why.
///
/// # Safety
/// The pointers are valid for the sizes beside them; `client` came from `headrace_made`.
#[no_mangle]
pub unsafe extern "C" fn headrace_enqueue_all(
    client: *const Client,
    topic: *const c_char,
    data: *const u8,
    size: usize,
    lengths: *const u8,
    count: usize,
    first: usize,
    added: *const Added,
    error: *mut c_int,
) -> usize {
    let handle = (*client).0.lock().expect("nobody panics here");
    *error = FAIL;
    let Some(functions) = FUNCTIONS.get() else { return first };
    if handle.is_null() {
        return first;
    }
    let topic = (functions.topic_new)(*handle, topic, null_mut());
    if topic.is_null() {
        *error = (functions.last_error)();
        return first;
    }
    let data = std::slice::from_raw_parts(data, size);
    let lengths = std::slice::from_raw_parts(lengths, count * 16);
    let queue = Queue { functions, client: *handle, topic };
    let (taken, why) = match added.as_ref() {
        None => each(data, lengths, first, |key, value| queue.send(key, value)),
        Some(added) => queue.labelled(added, data, lengths, first),
    };
    (functions.topic_destroy)(topic);
    *error = why;
    taken
}

/// Gives the messages from the one with the number `first` on to `send`, until that answers with an error.
fn each(
    data: &[u8],
    lengths: &[u8],
    first: usize,
    mut send: impl FnMut(&[u8], Option<&[u8]>) -> c_int,
) -> (usize, c_int) {
    let mut place = 0;
    let mut number = 0;
    for pair in lengths.chunks_exact(16) {
        let length = |at: usize| u64::from_le_bytes(pair[at..at + 8].try_into().expect("eight bytes"));
        let value = Some(length(8)).filter(|size| *size != NONE);
        let (key, size) = (length(0) as usize, value.unwrap_or(0) as usize);
        let Some(message) = data.get(place..).and_then(|rest| rest.get(..key.checked_add(size)?)) else {
            return (number, INVALID_ARGUMENT);
        };
        if number >= first {
            let (key, rest) = message.split_at(key);
            let refused = send(key, value.map(|_| rest));
            if refused != NO_ERROR {
                return (number, refused);
            }
        }
        place += key + size;
        number += 1;
    }
    (number, NO_ERROR)
}

/// Where messages of one topic are enqueued; librdkafka copies them.
struct Queue<'a> {
    functions: &'a Functions,
    client: *mut c_void,
    topic: *mut c_void,
}

impl Queue<'_> {
    fn send(&self, key: &[u8], value: Option<&[u8]>) -> c_int {
        let (payload, size) = parts(value);
        // Safety: the topic is this client's, and both are held until all are enqueued.
        unsafe {
            let refused = (self.functions.produce)(
                self.topic,
                ANY_PARTITION,
                COPY,
                payload,
                size,
                key.as_ptr() as *const c_void,
                key.len(),
                null_mut(),
            );
            if refused == 0 {
                NO_ERROR
            } else {
                (self.functions.last_error)()
            }
        }
    }

    /// The same with headers, which are librdkafka's when it has taken the message.
    fn send_with(&self, headers: *mut c_void, key: &[u8], value: Option<&[u8]>) -> c_int {
        let (payload, size) = parts(value);
        // Safety: as above; each kind of argument is followed by what librdkafka reads for it, and the last is END.
        unsafe {
            let own = (self.functions.headers_copy)(headers);
            let error = (self.functions.producev)(
                self.client,
                TOPIC,
                self.topic,
                VALUE,
                payload,
                size,
                KEY,
                key.as_ptr() as *const c_void,
                key.len(),
                FLAGS,
                COPY,
                HEADERS,
                own,
                END,
            );
            if error != NO_ERROR {
                (self.functions.headers_destroy)(own);
            }
            error
        }
    }

    unsafe fn labelled(&self, added: &Added, data: &[u8], lengths: &[u8], first: usize) -> (usize, c_int) {
        let headers = self.headers(added);
        let (key_begin, value_begin) = (added.key.bytes(), added.value.bytes());
        let (mut key_room, mut value_room) = (Vec::new(), Vec::new());
        let done = each(data, lengths, first, |key, value| {
            let key = opened(key_begin, key, &mut key_room);
            let value = value.map(|value| opened(value_begin, value, &mut value_room));
            if headers.is_null() {
                self.send(key, value)
            } else {
                self.send_with(headers, key, value)
            }
        });
        if !headers.is_null() {
            (self.functions.headers_destroy)(headers);
        }
        done
    }

    unsafe fn headers(&self, added: &Added) -> *mut c_void {
        if added.count == 0 {
            return null_mut();
        }
        let made = (self.functions.headers_new)(added.count);
        for pair in std::slice::from_raw_parts(added.headers, added.count * 2).chunks_exact(2) {
            let (name, value) = (&pair[0], &pair[1]);
            // It fails for headers that are read-only.
            (self.functions.header_add)(
                made,
                name.data as *const c_char,
                name.size as isize,
                value.data as *const c_void,
                value.size as isize,
            );
        }
        made
    }
}

/// librdkafka takes a null pointer, not a length, for "no value".
fn parts(value: Option<&[u8]>) -> (*mut c_void, usize) {
    value.map_or((null_mut(), 0), |value| (value.as_ptr() as *mut c_void, value.len()))
}

/// A JSON object with `begin` in place of its brace; `shared/model/label.py` has the same in Python.
fn opened<'a>(begin: &[u8], object: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    if begin.is_empty() {
        return object;
    }
    let rest = if object == b"{}" { &b"}"[..] } else { object.get(1..).unwrap_or_default() };
    let begin = if object == b"{}" { &begin[..begin.len() - 1] } else { begin };
    room.clear();
    room.extend_from_slice(begin);
    room.extend_from_slice(rest);
    room
}
