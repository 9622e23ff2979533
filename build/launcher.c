/* The executable: CPython, and the code of a plugin run, in one file.
 *
 * CPython starts in two phases. The first makes the language and its builtins. The second makes what
 * finds modules in files, the codecs, sys.stdin and the like, and takes as long again. A plugin run
 * does without the second; `complete` runs it when the standard library is needed after all, to explain
 * an error or for a command. (PEP 587, "Multi-Phase Initialization"; C API documentation, "Python
 * Initialization Configuration".)
 *
 * A plugin run does without the first phase, too, where the program holds an image: the memory of an
 * interpreter that has imported the plugin path, made by the build and mapped at the same addresses.
 * docs/internals/startup.md explains it. build/launcher.py compiles this file; build/heap.c is the allocator.
 */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#define Py_BUILD_CORE
#include <Python.h>
#include <internal/pycore_runtime.h>

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "heap.h"

/* Carried files, and the plugin path's modules in them: written by build/launcher.py. */
#define CARRY(name, file)                                              \
    __asm__(".pushsection .rodata\n.balign 16\n"                       \
            ".global " #name "\n.global " #name "_end\n"               \
            #name ":\n.incbin \"" file "\"\n" #name "_end:\n.popsection"); \
    extern const unsigned char name[], name##_end[]

CARRY(carried, CARRIED);

static const struct _frozen modules[] = {
#include MODULES
    {NULL},
};

/* CPython's private functions and data; docs/internals/startup.md lists all of them. */
extern int _PySignal_Init(int install_signal_handlers);
extern int _PyInterpreterState_SetConfig(const PyConfig *config);
#if PY_VERSION_HEX < 0x030C0000
#define THREAD_KEY _PyRuntime.gilstate.autoTSSkey
#else
#define THREAD_KEY _PyRuntime.autoTSSkey
extern _Thread_local PyThreadState *_Py_tss_tstate;
#endif
#if PY_VERSION_HEX >= 0x030D0000
extern PyStatus _PyCodec_InitRegistry(PyInterpreterState *interpreter);
#endif

static char executable[PATH_MAX];
static char home[PATH_MAX + sizeof "/_internal"]; /* of libraries, data files, commands' modules */
static struct {
    int count;
    char **values;
} arguments;

static PyStatus configure(PyConfig *config);

static PyObject *complete(PyObject *self, PyObject *place)
{
    PyObject *bytes = PyUnicode_EncodeFSDefault(place);
    if (!bytes)
        return NULL;
    snprintf(home, sizeof home, "%s", PyBytes_AS_STRING(bytes));
    Py_DECREF(bytes);
    PyConfig config; /* the paths of this run, where an image was made with others */
    PyConfig_InitIsolatedConfig(&config);
    PyStatus status = configure(&config);
    if (!PyStatus_Exception(status))
        status = PyConfig_Read(&config);
    if (!PyStatus_Exception(status) && _PyInterpreterState_SetConfig(&config))
        status = PyStatus_NoMemory();
    PyConfig_Clear(&config);
    if (!PyStatus_Exception(status))
        status = _Py_InitializeMain();
    if (PyStatus_Exception(status)) {
        PyErr_Format(PyExc_ImportError, "%s: %s", home, status.err_msg);
        return NULL;
    }
    PyGC_Enable();
    PyObject *time = PyImport_ImportModule("time"); /* an image knows the build's time zone */
    return time ? PyObject_CallMethod(time, "tzset", NULL) : NULL;
}

static PyObject *enter(PyObject *self, PyObject *arguments)
{
    int descriptor, kind;
    if (!PyArg_ParseTuple(arguments, "ii", &descriptor, &kind))
        return NULL;
    if (setns(descriptor, kind))
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"complete", complete, METH_O, "The interpreter's second phase, with its library there. Raises ImportError."},
    {"setns", enter, METH_VARARGS, "setns(2), as os.setns of Python 3.12. Raises OSError."},
    {NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cni_bridge_launcher",
    .m_doc = "What only the executable can do.",
    .m_size = -1,
    .m_methods = functions,
};

static PyObject *make_module(void)
{
    PyObject *made = PyModule_Create(&module);
    PyObject *code = PyMemoryView_FromMemory((char *)carried, carried_end - carried, PyBUF_READ);
    PyObject *directory = PyUnicode_DecodeFSDefault(home);
    if (!made || PyModule_AddObject(made, "carried", code)
        || PyModule_AddObject(made, "home", directory)
        || PyModule_AddIntConstant(made, "is_portable", IS_PORTABLE))
        return NULL;
    return made;
}

/* Report to the runtime in JSON as well: code 5 of docs/errors.md. */
static int give_up(const char *why)
{
    fprintf(stderr, "cni-bridge: can't run: %s\n", why);
    if (getenv("CNI_COMMAND"))
        printf("{\"cniVersion\": \"1.1.0\", \"code\": 5, \"msg\": \"cni-bridge can't run: %s\"}\n", why);
    return 1;
}

static void find_places(void)
{
    ssize_t length = readlink("/proc/self/exe", executable, sizeof executable - 1);
    if (length < 0) { /* there is no /proc */
        const char *path = (const char *)getauxval(AT_EXECFN);
        snprintf(executable, sizeof executable, "%s%s", strchr(path, '/') ? "" : "./", path);
    } else {
        executable[length] = 0;
    }
#if IS_PORTABLE
    /* Created when something is unpacked into it: mkdir(2) is what must be safe, not the name. */
    const char *temporary = getenv("TMPDIR");
    unsigned long long number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) < 0)
        number = getpid();
    snprintf(home, sizeof home, "%.*s/cni-bridge-%016llx", PATH_MAX - 64,
             temporary && *temporary ? temporary : "/tmp", number);
#else
    snprintf(home, sizeof home, "%.*s/_internal", (int)(strrchr(executable, '/') - executable), executable);
#endif
}

static PyStatus set_path(PyConfig *config, wchar_t **field, const char *suffix)
{
    char path[sizeof home + 64];
    snprintf(path, sizeof path, "%s%s", home, suffix);
    return PyConfig_SetBytesString(config, field, path);
}

static PyStatus configure(PyConfig *config)
{
    static const char *const search[] = {"/people.zip", "/" EXTENSIONS, ""};
    wchar_t **prefixes[] = {
        &config->home, &config->prefix, &config->exec_prefix, &config->base_prefix,
        &config->base_exec_prefix, &config->stdlib_dir,
    };
    PyStatus status = PyConfig_SetBytesString(config, &config->executable, executable);
    for (size_t each = 0; each < Py_ARRAY_LENGTH(prefixes) && !PyStatus_Exception(status); each++)
        status = set_path(config, prefixes[each], "");
    for (size_t each = 0; each < Py_ARRAY_LENGTH(search) && !PyStatus_Exception(status); each++) {
        wchar_t *path = NULL;
        status = set_path(config, &path, search[each]);
        if (!PyStatus_Exception(status))
            status = PyWideStringList_Append(&config->module_search_paths, path);
        PyMem_RawFree(path);
    }
    config->module_search_paths_set = 1;
    config->pathconfig_warnings = 0;
    config->site_import = 0;
    config->write_bytecode = 0;
    config->optimization_level = 2;
    config->install_signal_handlers = 1; /* by the second phase: Ctrl-C is for commands */
    config->parse_argv = 0;
    config->_init_main = 0;
    config->use_hash_seed = is_making; /* seed 0: an image is the same in each build */
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesArgv(config, arguments.count, arguments.values);
    return status;
}

static int set_arguments(void)
{
    PyObject *words = PyList_New(0);
    for (int each = 0; words && each < arguments.count; each++) {
        PyObject *word = PyUnicode_DecodeFSDefault(arguments.values[each]);
        if (!word || PyList_Append(words, word))
            return -1;
        Py_DECREF(word);
    }
    return words ? PySys_SetObject("argv", words) : -1;
}

/* The first phase. Returns what failed. */
static const char *start(void)
{
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1; /* without it the locale's files are read */
    if (is_making)
        before.allocator = PYMEM_ALLOCATOR_MALLOC; /* all of the image in one place */
    PyStatus status = Py_PreInitialize(&before);
    PyImport_FrozenModules = modules;
    if (!PyStatus_Exception(status) && PyImport_AppendInittab(module.m_name, make_module))
        status = PyStatus_NoMemory();
    if (PyStatus_Exception(status))
        return status.err_msg;
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    status = configure(&config);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status))
        return status.err_msg;
#if PY_VERSION_HEX >= 0x030D0000 /* bytes that are no text need it; before 3.13 they made it themselves */
    _PyCodec_InitRegistry(PyInterpreterState_Get());
    PyErr_Clear(); /* it fails at its end: the codecs come with the second phase, which calls it again */
#endif
    PyGC_Disable(); /* a plugin run is over before collecting could pay */
    return set_arguments() || _PySignal_Init(0) ? "out of memory" : NULL;
}

/* A closed stream's number would be that of the next file to be opened: what is written to the stream
 * would go there. Writing to this one fails, as writing to a closed one does. */
static void keep_streams_apart(void)
{
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++)
        if (fcntl(number, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0)
            open("/", O_PATH); /* there is no /dev */
}

/* Writing to each page for the first time costs a fault; populating all at once costs less. */
static void populate(char *start, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    madvise(start, size, MADV_POPULATE_WRITE);
#endif
}

/* ---------------------------------------------------------------- the image: docs/internals/startup.md */

/* Set by build/image.ld: CPython's variables and the heap, which the image takes the place of, and
 * the image itself, with a last page of ranges. */
extern char state_start[], state_end[], image_start[], image_end[];
extern ElfW(Dyn) _DYNAMIC[];

#define MAKE "make" /* in place of an image: the program has to make it; what to put together follows */
#define MAKE_SIZE 8
#define RELOCATIONS 64 /* in the state; x86-64 has 31, most of them in SQLite's table of system calls */

static PyThreadState *made_thread; /* the thread that made the image */

/* Pages that plugin runs write to, counted from the start of the state: build/uses.py. */
struct range {
    unsigned first, count;
};

/* Words of the state that the dynamic linker sets, to functions of the C library. */
static int find_relocations(uintptr_t **found)
{
    ElfW(Rela) *table = NULL;
    size_t size = 0;
    for (ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_RELA)
            table = (void *)entry->d_un.d_ptr;
        if (entry->d_tag == DT_RELASZ)
            size = entry->d_un.d_val;
    }
    int count = 0;
    for (size_t each = 0; each < size / sizeof *table; each++) {
        char *place = (char *)table[each].r_offset;
        if (place < state_start || place >= state_end)
            continue;
        if (count == RELOCATIONS)
            abort(); /* as the build would see */
        found[count++] = (uintptr_t *)place;
    }
    return count;
}

/* Move the image over the state and the heap. Returns 0 where the kernel refuses. */
static int map_image(void)
{
    uintptr_t *places[RELOCATIONS], values[RELOCATIONS];
    int count = find_relocations(places);
    for (int each = 0; each < count; each++)
        values[each] = *places[each];
    size_t size = image_end - image_start;
    if (mremap(image_start, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, state_start) == MAP_FAILED)
        return 0;
    for (int each = 0; each < count; each++)
        *places[each] = values[each];
    const char *command = getenv("CNI_COMMAND");
    if (command && !strcmp(command, "VERSION")) /* writes to few of them */
        return 1;
    for (const struct range *each = (void *)(state_start + size - PAGE); each->count; each++)
        populate(state_start + (size_t)each->first * PAGE, (size_t)each->count * PAGE);
    return 1;
}

static int fill_environment(void)
{
    PyObject *posix = PyImport_ImportModule("posix");
    PyObject *variables = posix ? PyObject_GetAttrString(posix, "environ") : NULL;
    for (char **each = environ; variables && *each; each++) {
        char *equals = strchr(*each, '=');
        if (!equals)
            continue;
        PyObject *name = PyBytes_FromStringAndSize(*each, equals - *each);
        PyObject *value = PyBytes_FromString(equals + 1);
        if (!name || !value || !PyDict_SetDefault(variables, name, value)) /* the first one counts */
            return -1;
        Py_DECREF(name);
        Py_DECREF(value);
    }
    return variables ? 0 : -1;
}

/* What Python's `_signal` read when it was imported, it must read again. */
static int refresh_signals(void)
{
    PyObject *signals = PyImport_ImportModule("_signal");
    for (int number = 1; signals && number < NSIG; number++) {
        struct sigaction found;
        if (number == SIGPIPE || sigaction(number, NULL, &found))
            continue;
        int is_ignored = found.sa_handler == SIG_IGN;
        if (!is_ignored && number != SIGINT)
            continue;
        PyObject *handler = PyObject_GetAttrString(signals, is_ignored ? "SIG_IGN" : "default_int_handler");
        PyObject *done = handler ? PyObject_CallMethod(signals, "signal", "iO", number, handler) : NULL;
        if (!done)
            return -1;
        Py_DECREF(done);
        Py_DECREF(handler);
    }
    return signals ? 0 : -1;
}

/* Give the interpreter of the image what differs from run to run. Returns what failed. */
static const char *resume(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    _Py_tss_tstate = made_thread;
#endif
    made_thread->thread_id = _PyRuntime.main_thread = PyThread_get_thread_ident();
    made_thread->native_thread_id = PyThread_get_thread_native_id();
    if (PyThread_tss_create(&THREAD_KEY) || PyThread_tss_set(&THREAD_KEY, made_thread))
        return "no thread-specific storage";
    PyObject *launcher = PyImport_ImportModule(module.m_name);
    PyObject *directory = PyUnicode_DecodeFSDefault(home);
    if (!launcher || !directory || PyObject_SetAttrString(launcher, "home", directory)
        || set_arguments() || fill_environment() || refresh_signals())
        return "out of memory";
    return NULL;
}

/* A mapped file that the disk has no room for, or that was truncated: the runtime gets its JSON. */
static void report_bus_error(int number)
{
    static const char answer[] =
        "{\"cniVersion\":\"1.1.0\",\"code\":5,\"msg\":\"a file in memory could not be read or written (SIGBUS)\","
        "\"details\":\"the disk of the state directory is full, or a file was truncated; free space, then send DEL\"}";
    (void)number;
    _exit(write(1, answer, sizeof answer - 1) > 0 ? 1 : 2);
}

/* Write the image to stdout: a build's program of which the image is yet to be made is run once. */
static int make_image(void)
{
    static char *words[] = {"cni-bridge", NULL};
    clearenv();
    setenv("TZ", "UTC0", 1);
    for (int number = 1; number < NSIG; number++)
        signal(number, number == SIGPIPE ? SIG_IGN : SIG_DFL);
    put_together((void *)(image_start + MAKE_SIZE));
    strcpy(executable, "/cni-bridge");
    strcpy(home, "/_internal");
    arguments.count = 1;
    arguments.values = words;
    /* A plugin run has one thread: neither mutexes nor statistics of memory. */
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);

    PyMemAllocatorEx objects, memory;
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &objects);
    PyMem_GetAllocator(PYMEM_DOMAIN_MEM, &memory);
    PyObject_SetArenaAllocator(&(PyObjectArenaAllocator){NULL, take_arena, give_arena});
    const char *failure = start();
    if (failure)
        return give_up(failure);
    PyObject *starter = PyImport_ImportModule("cni_bridge_starter");
    if (!starter || !PyObject_CallMethod(starter, "prepare", NULL)) {
        PyErr_Print();
        return 1;
    }
    PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &objects);
    PyMem_SetAllocator(PYMEM_DOMAIN_MEM, &memory);

    made_thread = PyThreadState_Get();
    made_thread->thread_id = _PyRuntime.main_thread = made_thread->native_thread_id = 0;
    /* Frames that ended: from Python 3.12 on they point to the C stack. */
    char *ended = (char *)made_thread->datastack_top;
    memset(ended, 0, (char *)made_thread->datastack_limit - ended);
    memset(&THREAD_KEY, 0, sizeof THREAD_KEY);
    memset(&arguments, 0, sizeof arguments);
    uintptr_t *places[RELOCATIONS];
    int count = find_relocations(places);
    for (int each = 0; each < count; each++)
        *places[each] = 0;
    for (char *from = state_start; from < heap_used; ) {
        ssize_t written = write(STDOUT_FILENO, from, heap_used - from);
        if (written < 0)
            return 1;
        from += written;
    }
    return 0;
}

/* ---------------------------------------------------------------- */

/* As cni_bridge/__main__.py decides. */
static int is_plugin_run(int argc)
{
    for (char **each = environ; argc == 1 && *each; each++)
        if (!strncmp(*each, "CNI_", 4))
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    is_making = !strcmp(image_start, MAKE);
    if (is_making)
        return make_image();
    keep_streams_apart();
    int has_image = image_end - image_start > PAGE;
    int is_mapped = has_image && is_plugin_run(argc) && map_image();
    if (!is_mapped)
        populate(state_start, state_end - state_start);
    arguments.count = argc;
    arguments.values = argv;
    find_places();
    const char *failure = is_mapped ? resume() : start();
    if (failure)
        return give_up(failure);
    /* If the runtime stops reading, or a file is as long as it may be, writing must fail, not kill. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (is_plugin_run(argc))
        signal(SIGBUS, report_bus_error);
    PyObject *starter = PyImport_ImportModule("cni_bridge_starter");
    PyObject *status = starter ? PyObject_CallMethod(starter, "start", NULL) : NULL;
    if (!status)
        PyErr_Print(); /* exits by itself after SystemExit */
    Py_Exit(status ? PyLong_AsLong(status) : 1); /* flushes streams, runs what atexit has registered */
}
