"""Names of Python packages that many people know: what a name is held against that nobody has allowed.

The most downloaded packages of the Python Package Index in November 2026 by its public download counts, without whole
families of one vendor, and some two hundred names of well-known libraries added by hand. Bare names are facts and carry
no licence of their own; the list stands under this package's.
"""

from __future__ import annotations

_NAMES = """
absl-py accelerate aenum agate aioboto3 aiofile aiofiles aiohappyeyeballs aiohttp aiohttp-retry aiokafka aiosignal
aiosqlite alembic altair annotated-types ansible anthropic anyio appdirs apscheduler argcomplete argon2-cffi
argon2-cffi-bindings arrow asgiref astor astroid astropy async-lru async-timeout asyncpg attrs authlib autopep8 awscli
azure-core azure-identity babel backoff bandit bcrypt beartype beautifulsoup4 biopython bitarray black bleach blinker
bokeh boto boto3 botocore brotli build bytecode cachecontrol cachetools cassandra-driver catboost cattrs cbor2 ccxt
celery cerberus certifi cffi chardet charset-normalizer chromadb ciso8601 click clickhouse-connect cloudpickle cohere
colorama coloredlogs colorlog comm confluent-kafka contourpy coverage crc32c croniter cryptography cssselect
cssselect2 cvxpy cycler cyclopts cython dacite dash dask dataclasses-json dataset datasets dateparser ddtrace deap
debugpy decorator deepdiff defusedxml delta-spark deprecated deprecation diffusers dill discord-py diskcache distlib
distro django django-filter djangorestframework dnspython docker docker-compose docstring-parser docutils dpkt duckdb
dulwich ecdsa elastic-transport elasticsearch email-validator emcee entrypoints events exceptiongroup execnet fabric
faiss-cpu faker fakeredis fastapi fastavro fastjsonschema fastmcp feedparser filelock filetype fiona flake8 flask
flask-cors flask-login flask-sqlalchemy flask-wtf flatbuffers flit-core folium fonttools freezegun frozendict
frozenlist fsspec ftfy future fuzzywuzzy gensim geopandas geopy gevent gitpython gmpy2 google-api-python-client
google-auth google-cloud-bigquery google-cloud-storage gradio graphene graphql-core graphql-relay graphviz
great-expectations greenlet grpcio grpclib gspread gunicorn h11 h2 h5py hatchling haversine hjson holidays html5lib
httpcore httplib2 httptools httpx httpx-sse huggingface-hub humanfriendly humanize hvac hyperlink hypothesis icalendar
id idna ijson imageio impacket importlib-metadata importlib-resources inflection influxdb-client iniconfig installer
invoke ipaddress ipykernel ipython ipywidgets iso8601 isodate isort itsdangerous jedi jellyfish jinja2 jira jiter
jmespath joblib joserfc json5 jsonpatch jsonpath-ng jsonpointer jsonref jsonschema jsonschema-path
jsonschema-specifications junitparser jupyterlab kafka-python keras keyring kivy kiwisolver kubernetes langchain
langchain-community langchain-core langchain-openai langchain-text-splitters langdetect langgraph langsmith lark ldap3
levenshtein libcst lightgbm limits litellm llama-index llvmlite lockfile loguru lxml lz4 mako markdown markdown-it-py
markdown2 markdownify markupsafe marshmallow mashumaro matplotlib matplotlib-inline mccabe mcp mdurl mechanize
mergedeep mistralai mistune mkdocs mkdocs-material ml-dtypes mlflow mlflow-skinny mmh3 mock modin more-itertools moto
moviepy mpmath msal msgpack msgspec multidict multiprocess mypy mypy-extensions mysql-connector-python nameparser
narwhals natsort neo4j nest-asyncio netaddr netcdf4 networkx newspaper3k nh3 ninja nltk nose notebook notebook-shim
nox numba numpy oauth2client oauthlib omegaconf onnx onnxruntime openai openai-agents opencv-python
opencv-python-headless openpyxl opensearch-py opentelemetry-api opentelemetry-sdk optuna ordered-set orderly-set
orjson ormsgpack ortools outcome overrides packaging paho-mqtt pandas pandas-gbq pandocfilters paramiko parsedatetime
passlib pathspec patool patsy pdfminer-six pdfplumber pdoc peewee pendulum pexpect pg8000 phonenumbers pika pillow
pinecone pip pkginfo platformdirs playwright plotly pluggy plumbum poetry polars pony portalocker posthog praw
pre-commit prettytable prometheus-client prompt-toolkit propcache protobuf psutil psycopg psycopg-binary psycopg2
psycopg2-binary ptyprocess pulp pwntools py py4j py7zr pyahocorasick pyaml pyarrow pyarrow-hotfix pyasn1 pycodestyle
pycountry pycparser pycrypto pycryptodome pycryptodomex pydantic pydantic-ai pydantic-ai-slim pydantic-core
pydantic-evals pydantic-extra-types pydantic-graph pydantic-settings pydocstyle pydub pyee pyflakes pygame pygithub
pyglet pygments pyhumps pyjwt pylint pymc pymongo pymssql pymupdf pymysql pynacl pyodbc pyopenssl pyotp pyparsing
pypdf pypdf2 pypdfium2 pyperclip pyproj pyproject-hooks pyqt5 pyqt6 pyquery pyright pyroaring pyrsistent pyserial
pyside6 pysocks pyspark pytest pytest-asyncio pytest-cov pytest-env pytest-metadata pytest-mock pytest-rerunfailures
pytest-timeout pytest-xdist python-barcode python-box python-dateutil python-docx python-dotenv python-gitlab
python-jose python-json-logger python-levenshtein python-multipart python-pptx python-slugify python-snappy
python-telegram-bot python-whois pytimeparse pytz pyusb pywavelets pywin32 pyxlsb pyyaml pyzipper pyzmq qdrant-client
qrcode quantlib rapidfuzz rarfile rasterio ray rdkit readme-renderer realtime redis regex reportlab requests
requests-aws4auth requests-file requests-oauthlib requests-toolbelt responses retry retrying rich rich-click
rich-toolkit rope rsa ruamel-yaml ruamel-yaml-clib ruff s3fs safetensors scapy schema scikit-image scikit-learn scipy
scrapy seaborn selenium semantic-version semgrep semver send2trash sendgrid sentence-transformers sentencepiece
sentry-sdk setproctitle setuptools setuptools-scm sh shap shapely shellingham simple-salesforce simplejson six
slack-sdk slackclient smart-open sniffio snowflake-connector-python sortedcontainers soupsieve spacy sphinx
sphinx-rtd-theme sqlalchemy sqlalchemy-bigquery sqlglot sqlmodel sqlparse sse-starlette starlette statsmodels
stevedore streamlit strictyaml stripe structlog sympy ta tables tabulate telethon tenacity tensorboard tensorboardx
tensorflow termcolor terminado text-unidecode textblob textual thefuzz threadpoolctl thrift tiktoken time-machine
tinycss2 tldextract tokenizers toml tomli tomli-w tomlkit toolz torch torchaudio torchvision tornado tortoise-orm tox
tqdm traitlets transformers trio trio-websocket triton tweepy twilio twine typeguard typer typer-slim
typing-extensions typing-inspect typing-inspection tzdata tzlocal ujson unidecode unidiff universal-pathlib untangle
urllib3 uuid-utils uv uv-build uvicorn uvloop vaex validators virtualenv vobject voluptuous wandb watchdog watchfiles
wcmatch wcwidth weaviate-client webcolors websocket-client websockets werkzeug wheel whois widgetsnbextension
wordcloud workalendar wrapt wsproto xarray xgboost xlrd xlsxwriter xlwt xmlschema xmltodict xxhash yagmail yamllint
yapf yarl yfinance zeep zeroconf zipp zstandard
"""

WELL_KNOWN: frozenset[str] = frozenset(_NAMES.split())
"""Normalised as in PEP 503: lower case, `-` for any run of `-`, `_` and `.`."""
