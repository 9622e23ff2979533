/* The executable: CPython, and the code of a plugin run, in one file.
 *
 * The interpreter starts in two phases. The first makes the language and its builtins; the second
 * what finds modules in files, the codecs, sys.stdin and its like, at half of the cost. A plugin run
 * does without the second: `complete` makes up for it when the standard library is wanted after all,
 * by a command for people or to explain an error. (PEP 587, "Multi-Phase Initialization"; docs of the
 * C API, "Python Initialization Configuration".)
 *
 * build/starter.py, compiled, is run after the first phase; what it is given is the builtin module
 * below. build/launcher.py says how this is compiled.
 */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <marshal.h>

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define CARRY(name, file)                                              \
    __asm__(".pushsection .rodata\n.balign 16\n"                       \
            ".global " #name "\n.global " #name "_end\n"               \
            #name ":\n.incbin \"" file "\"\n" #name "_end:\n.popsection"); \
    extern const char name[], name##_end[]

CARRY(starter, STARTER);
CARRY(carried, CARRIED);

/* Of CPython's own: what the second phase does before `_signal` can be imported. */
extern int _PySignal_Init(int install_signal_handlers);

static char executable[PATH_MAX];
static char home[PATH_MAX + sizeof "/_internal"]; /* of libraries, data files, people's modules */

static PyObject *complete(PyObject *self, PyObject *none)
{
    PyStatus status = _Py_InitializeMain();
    if (PyStatus_Exception(status)) {
        PyErr_Format(PyExc_ImportError, "%s: %s", status.func, status.err_msg);
        return NULL;
    }
    PyGC_Enable();
    Py_RETURN_NONE;
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
    {"complete", complete, METH_NOARGS, "The interpreter's second phase. Raises ImportError."},
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

/* The runtime gets its JSON too, as far as possible: code 5 of docs/errors.md. */
static int give_up(const char *why)
{
    fprintf(stderr, "cni-bridge: can't run: %s\n", why);
    if (getenv("CNI_COMMAND"))
        printf("{\"cniVersion\": \"1.1.0\", \"code\": 5, \"msg\": \"cni-bridge can't run: %s\"}\n", why);
    return 1;
}

static int find_places(void)
{
    ssize_t length = readlink("/proc/self/exe", executable, sizeof executable - 1);
    if (length < 0)
        return -1;
#if IS_PORTABLE
    /* Made when it is needed, by whoever unpacks into it: mkdir(2) is what must be safe, not the name. */
    const char *temporary = getenv("TMPDIR");
    unsigned long long number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) < 0)
        number = getpid();
    snprintf(home, sizeof home, "%.*s/cni-bridge-%016llx", PATH_MAX - 64,
             temporary && *temporary ? temporary : "/tmp", number);
#else
    snprintf(home, sizeof home, "%.*s/_internal", (int)(strrchr(executable, '/') - executable), executable);
#endif
    return 0;
}

static PyStatus set_path(PyConfig *config, wchar_t **field, const char *suffix)
{
    char path[sizeof home + 64];
    snprintf(path, sizeof path, "%s%s", home, suffix);
    return PyConfig_SetBytesString(config, field, path);
}

static PyStatus configure(PyConfig *config, int argc, char **argv)
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
    config->install_signal_handlers = 1; /* in the second phase: Ctrl-C is for people */
    config->parse_argv = 0;
    config->_init_main = 0;
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesArgv(config, argc, argv);
    return status;
}

static PyStatus start(int argc, char **argv)
{
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1; /* without it the locale's files are read */
    PyStatus status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status))
        return status;
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    status = configure(&config, argc, argv);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    if (!PyStatus_Exception(status)) {
        PyObject *words = PyList_New(0);
        for (Py_ssize_t each = 0; each < config.argv.length; each++) {
            PyObject *word = PyUnicode_FromWideChar(config.argv.items[each], -1);
            if (!words || !word || PyList_Append(words, word))
                status = PyStatus_NoMemory();
            Py_XDECREF(word);
        }
        PySys_SetObject("argv", words);
    }
    PyConfig_Clear(&config);
    return status;
}

/* A closed stream's number would be that of the next file to be opened: what is written to the stream
 * would go there. Writing to this one fails, as writing to a closed one does. */
static void keep_streams_apart(void)
{
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++)
        if (fcntl(number, F_GETFD) < 0)
            open("/dev/null", O_RDONLY);
}

/* The interpreter writes to nearly every page of its data as it starts; all at once are had for less. */
static void populate_data(void)
{
#ifdef MADV_POPULATE_WRITE
    extern char __data_start[], _end[];
    uintptr_t start = (uintptr_t)__data_start & -(uintptr_t)sysconf(_SC_PAGESIZE);
    madvise((void *)start, (uintptr_t)_end - start, MADV_POPULATE_WRITE);
#endif
}

int main(int argc, char **argv)
{
    populate_data();
    keep_streams_apart();
    if (find_places())
        return give_up("/proc/self/exe can't be read");
    if (PyImport_AppendInittab(module.m_name, make_module))
        return give_up("out of memory");
    PyStatus status = start(argc, argv);
    if (PyStatus_Exception(status))
        return give_up(status.err_msg);
    PyGC_Disable(); /* a plugin run is over before collecting could pay */
    signal(SIGPIPE, SIG_IGN); /* who does not read our answer is told of, not died of */
    if (_PySignal_Init(0))
        return give_up("out of memory");
    PyObject *names = PyModule_GetDict(PyImport_AddModule("__main__"));
    PyObject *code = PyMarshal_ReadObjectFromString(starter, starter_end - starter);
    if (code && !PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()))
        PyEval_EvalCode(code, names, names);
    PyErr_Print(); /* the starter ends with SystemExit, which exits */
    return 1;
}
