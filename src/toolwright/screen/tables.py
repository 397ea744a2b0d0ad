"""What the screen refuses by name: each dotted name, or module and all below it, with what to do instead."""

from __future__ import annotations

_NO_PROCESS = "a tool starts no other program; do it in Python"
_ONE_PROCESS = "a tool has one process; use a loop or concurrent.futures.ThreadPoolExecutor"
_NO_CODE = "a tool runs no code made from text; write the logic itself (ast.literal_eval reads literals)"
_NO_EXIT = "a tool never ends the process; return a value or raise ValueError with a clear message"
_NO_PICKLE = "unpickling runs foreign code; use json"
_NO_NATIVE = "a tool calls no native code; use the standard library"
_NO_INSIDE = "a tool does not reach into the interpreter; work on the arguments alone"
_NO_IMPORT = "import the module by name at the top of the file"
_NO_SIGNAL = "a tool sends and catches no signals; time limits are kept outside"
_NO_DESCRIPTOR = "a tool does not touch raw file descriptors; use open() and return the answer"
_NO_HOST = "a tool changes nothing about the machine it runs on; leave it out"
_ONE_FILE = "a tool is one file that imports only what it declares; put the code into it"

REFUSED: dict[str, str] = {
    **dict.fromkeys(
        ("os.system", "os.popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.posix_spawnp", "os.startfile"),
        _NO_PROCESS,
    ),
    **{f"os.exec{form}": _NO_PROCESS for form in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")},
    **{f"os.spawn{form}": _NO_PROCESS for form in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")},
    **dict.fromkeys(
        (
            "subprocess",
            "_posixsubprocess",
            "pty",
            "commands",
            "popen2",
            "pexpect",
            "sh",
            "asyncio.create_subprocess_exec",
            "asyncio.create_subprocess_shell",
            "asyncio.subprocess",
            "distutils",
            "pipes",
            "antigravity",
            "webbrowser",
        ),
        _NO_PROCESS,
    ),
    **dict.fromkeys(
        ("multiprocessing", "_multiprocessing", "concurrent.futures.ProcessPoolExecutor", "concurrent.futures.process"),
        _ONE_PROCESS,
    ),
    **dict.fromkeys(
        (
            "builtins.eval",
            "builtins.exec",
            "builtins.compile",
            "code",
            "codeop",
            "runpy",
            "cProfile.run",
            "profile.run",
        ),
        _NO_CODE,
    ),
    **dict.fromkeys(
        ("types.CodeType()", "types.FunctionType()", "types.LambdaType()", "timeit.timeit()", "timeit.repeat()"),
        _NO_CODE,
    ),
    **dict.fromkeys(
        (
            "builtins.__import__",
            "importlib",
            "imp",
            "pkgutil",
            "zipimport",
            "pkg_resources",
            "pip",
            "ensurepip",
            "pydoc",
        ),
        _NO_IMPORT,
    ),
    **dict.fromkeys(("sys.modules", "sys.meta_path", "sys.path_hooks", "sys.path", "site", "venv"), _ONE_FILE),
    **dict.fromkeys(("ctypes", "_ctypes", "cffi", "_cffi_backend", "dl", "mmap", "numpy.ctypeslib"), _NO_NATIVE),
    **dict.fromkeys(
        ("sys.exit", "os._exit", "os.abort", "builtins.exit", "builtins.quit", "builtins.SystemExit"), _NO_EXIT
    ),
    **dict.fromkeys(
        (
            "pickle.load",
            "pickle.loads",
            "pickle.Unpickler",
            "_pickle.load",
            "_pickle.loads",
            "cPickle",
            "marshal.load",
            "marshal.loads",
            "dill",
            "cloudpickle",
            "jsonpickle",
            "shelve.open",
            "pandas.read_pickle",
            "joblib.load",
            "torch.load",
            "yaml.unsafe_load",
            "yaml.full_load",
        ),
        _NO_PICKLE,
    ),
    **dict.fromkeys(("signal", "os.kill", "os.killpg", "faulthandler", "_signal"), _NO_SIGNAL),
    **dict.fromkeys(
        (
            "gc.get_objects",
            "gc.get_referrers",
            "gc.get_referents",
            "sys._getframe",
            "sys._current_frames",
            "sys.settrace",
            "sys.setprofile",
            "sys.addaudithook",
            "threading.settrace",
            "threading.setprofile",
            "inspect.currentframe",
            "inspect.stack",
            "inspect.getouterframes",
            "atexit",
            "pdb",
            "bdb",
            "builtins.breakpoint",
            "sys.breakpointhook",
            "logging.config",
            "trace",
        ),
        _NO_INSIDE,
    ),
    **dict.fromkeys(
        (
            "os.fdopen",
            "os.dup",
            "os.dup2",
            "os.pipe",
            "os.pipe2",
            "os.closerange",
            "os.memfd_create",
            "os.openpty",
            "os.sendfile",
            "sys.__stdout__",
            "sys.__stderr__",
            "fcntl",
            "termios",
            "tty",
        ),
        _NO_DESCRIPTOR,
    ),
    **dict.fromkeys(
        (
            "resource",
            "os.setuid",
            "os.setgid",
            "os.seteuid",
            "os.setegid",
            "os.setreuid",
            "os.setresuid",
            "os.setsid",
            "os.setpgid",
            "os.setpriority",
            "os.chroot",
            "os.unshare",
            "os.setns",
            "os.mknod",
            "os.mkfifo",
            "os.sched_setaffinity",
            "pwd",
            "grp",
            "spwd",
            "syslog",
        ),
        _NO_HOST,
    ),
    "shutil.rmtree": "a tool deletes no folder trees; use tempfile.TemporaryDirectory(), which cleans up by itself",
    "builtins.input()": "nobody is there to type; take the text as a parameter",
    "getpass": "nobody is there to type; take the text as a parameter",
    "builtins.__loader__": _NO_INSIDE,
    "builtins.__spec__": _NO_INSIDE,
}
"""A name here covers everything below it too; with `()` only a call of it."""

PROCESSES = frozenset(name for name, why in REFUSED.items() if why in (_NO_PROCESS, _ONE_PROCESS))
"""What a tool may use to which `subprocess` was granted."""

ALLOWED_BELOW = ("importlib.metadata", "importlib.resources")
"""Harmless parts of modules that are refused otherwise."""

BESIDE_THE_TOOL = frozenset(
    {
        "sys.exit",
        "builtins.exit",
        "builtins.quit",
        "builtins.SystemExit",
        "builtins.input()",
        "getpass",
        "timeit.timeit()",
        "timeit.repeat()",
    }
)
"""What a `main` that no call of the tool reaches may do: people write one to try their code by hand."""

REFUSED_ATTRIBUTES = {
    **dict.fromkeys(
        (
            "__subclasses__",
            "__globals__",
            "__builtins__",
            "__code__",
            "__loader__",
            "f_globals",
            "f_locals",
            "f_builtins",
            "f_back",
            "tb_frame",
            "gi_frame",
            "gi_code",
            "cr_frame",
            "cr_code",
            "func_globals",
            "co_code",
        ),
        _NO_INSIDE,
    ),
    "enable_load_extension": _NO_NATIVE,
    "load_extension": _NO_NATIVE,
}
"""Attributes that only lead out of a value into the interpreter, whatever they hang on."""

WHOLE_MODULES = frozenset({"os", "sys", "builtins"})
"""Modules that may be used by attribute only: one handed around as a value hides what is used of it."""

LANGUAGE_MODELS = frozenset(
    {
        "openai",
        "anthropic",
        "litellm",
        "langchain",
        "langchain_core",
        "langchain_openai",
        "langchain_community",
        "langchain_anthropic",
        "langgraph",
        "llama_index",
        "llama_cpp",
        "google.genai",
        "google.generativeai",
        "google.ai.generativelanguage",
        "vertexai",
        "cohere",
        "mistralai",
        "groq",
        "ollama",
        "together",
        "replicate",
        "transformers",
        "huggingface_hub",
        "pydantic_ai",
        "instructor",
        "dspy",
        "autogen",
        "crewai",
        "smolagents",
        "guidance",
        "vllm",
        "tiktoken",
        "g4f",
        "zhipuai",
        "dashscope",
        "fireworks",
        "xai_sdk",
    }
)
"""Import names of libraries that talk to, or run, a language model."""

DISTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "yaml": ("pyyaml", "ruamel-yaml"),
    "PIL": ("pillow", "pillow-simd"),
    "bs4": ("beautifulsoup4", "bs4"),
    "sklearn": ("scikit-learn",),
    "skimage": ("scikit-image",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "dateutil": ("python-dateutil",),
    "dotenv": ("python-dotenv",),
    "slugify": ("python-slugify", "slugify"),
    "magic": ("python-magic",),
    "docx": ("python-docx",),
    "pptx": ("python-pptx",),
    "jose": ("python-jose",),
    "jwt": ("pyjwt",),
    "Crypto": ("pycryptodome",),
    "Cryptodome": ("pycryptodomex",),
    "nacl": ("pynacl",),
    "OpenSSL": ("pyopenssl",),
    "serial": ("pyserial",),
    "git": ("gitpython",),
    "github": ("pygithub",),
    "attr": ("attrs",),
    "attrs": ("attrs",),
    "fitz": ("pymupdf",),
    "pypdf": ("pypdf",),
    "PyPDF2": ("pypdf2",),
    "markdown": ("markdown",),
    "lxml": ("lxml",),
    "psycopg2": ("psycopg2", "psycopg2-binary"),
    "MySQLdb": ("mysqlclient",),
    "Levenshtein": ("levenshtein", "python-levenshtein"),
    "fuzzywuzzy": ("fuzzywuzzy",),
    "rapidfuzz": ("rapidfuzz",),
    "ruamel": ("ruamel-yaml",),
    "google": ("google-api-python-client", "google-auth", "protobuf", "google-cloud-storage"),
    "googleapiclient": ("google-api-python-client",),
    "telegram": ("python-telegram-bot",),
    "discord": ("discord-py",),
    "usb": ("pyusb",),
    "zmq": ("pyzmq",),
    "win32api": ("pywin32",),
    "Bio": ("biopython",),
    "pkg_resources": ("setuptools",),
    "mpl_toolkits": ("matplotlib",),
    "pylab": ("matplotlib",),
    "socks": ("pysocks",),
    "websocket": ("websocket-client",),
    "haversine": ("haversine",),
    "unidecode": ("unidecode", "text-unidecode"),
    "phonenumbers": ("phonenumbers", "phonenumberslite"),
    "humanize": ("humanize",),
    "tomli": ("tomli",),
    "emoji": ("emoji",),
}
"""Which distributions bring an import name that is spelled otherwise."""

BROUGHT_ALONG: dict[str, tuple[str, ...]] = {
    "pandas": ("numpy", "dateutil", "pytz", "tzdata", "six"),
    "requests": ("urllib3", "certifi", "idna", "charset_normalizer"),
    "httpx": ("httpcore", "anyio", "certifi", "idna", "h11", "sniffio"),
    "pydantic": ("pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
    "scipy": ("numpy",),
    "matplotlib": ("numpy", "PIL", "dateutil"),
    "scikit-learn": ("numpy", "scipy", "joblib"),
    "sympy": ("mpmath",),
    "beautifulsoup4": ("soupsieve",),
    "rich": ("pygments", "markdown_it"),
    "jinja2": ("markupsafe",),
    "aiohttp": ("yarl", "multidict"),
}
"""Import names that a declared distribution brings with it."""
