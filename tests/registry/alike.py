"""Pairs of tools, on the shelf and asked for: the same under other words, and different ones of the same field.

Each is (name, description, parameters, returns). Written by hand before the threshold was chosen.
"""

SAME = [
    (
        (
            "fetch_exchange_rate",
            "Fetch the current exchange rate between two currencies.",
            "base: str, target: str",
            "float",
        ),
        (
            "get_exchange_rate",
            "Get the exchange rate from one currency to another.",
            "from_currency: str, to_currency: str",
            "float",
        ),
    ),
    (
        (
            "fetch_exchange_rate",
            "Fetch the current exchange rate between two currencies.",
            "base: str, target: str",
            "float",
        ),
        ("currency_rate", "Look up the latest currency exchange rate.", "base: str, quote: str", "float"),
    ),
    (
        (
            "fetch_exchange_rate",
            "Fetch the current exchange rate between two currencies.",
            "base: str, target: str",
            "float",
        ),
        (
            "fetch_fx_rate",
            "Return the current exchange rate between two currencies, such as USD and ILS.",
            "source: str, target: str",
            "float",
        ),
    ),
    (
        ("convert_currency", "Convert an amount with a given exchange rate.", "amount: float, rate: float", "float"),
        ("convert_amount", "Convert an amount of money using an exchange rate.", "amount: float, rate: float", "float"),
    ),
    (
        (
            "trending_repositories",
            "List the top trending GitHub repositories with their stars.",
            "count: int",
            "list[dict]",
        ),
        (
            "fetch_trending_repos",
            "Fetch trending repositories from GitHub with star counts.",
            "limit: int",
            "list[dict]",
        ),
    ),
    (
        (
            "trending_repositories",
            "List the top trending GitHub repositories with their stars.",
            "count: int",
            "list[dict]",
        ),
        (
            "get_github_trending",
            "Get the top trending GitHub repositories and their number of stars.",
            "n: int = 5",
            "list[dict]",
        ),
    ),
    (
        ("generate_password", "Generate a random password of a given length.", "length: int", "str"),
        ("create_random_password", "Create a secure random password with the given length.", "length: int = 16", "str"),
    ),
    (
        ("password_entropy", "Compute the entropy of a password in bits.", "password: str", "float"),
        ("calculate_password_entropy", "Calculate how many bits of entropy a password has.", "password: str", "float"),
    ),
    (
        ("save_csv", "Write rows to a CSV file.", "rows: list[dict], path: str", "str"),
        ("write_csv_file", "Save a list of rows as a CSV file.", "path: str, rows: list[dict]", "str"),
    ),
    (
        ("word_count", "Count the words in a text.", "text: str", "int"),
        ("count_words", "Return the number of words in a text.", "text: str", "int"),
    ),
    (
        ("is_prime", "Tell whether a number is prime.", "n: int", "bool"),
        ("check_prime", "Check whether a number is a prime number.", "number: int", "bool"),
    ),
    (
        ("fetch_weather", "Fetch the current weather for a city.", "city: str", "dict"),
        ("get_current_weather", "Get current weather conditions in a city.", "location: str", "dict"),
    ),
    (
        ("parse_iso_date", "Parse an ISO 8601 date into its parts.", "text: str", "dict"),
        ("parse_date", "Parse an ISO date string into year, month and day.", "date: str", "dict"),
    ),
    (
        ("slugify", "Turn a title into a URL slug.", "title: str", "str"),
        ("make_slug", "Make a URL slug from a title.", "text: str", "str"),
    ),
    (
        ("median", "Compute the median of a list of numbers.", "values: list[float]", "float"),
        ("compute_median", "Return the median of some numbers.", "numbers: list[float]", "float"),
    ),
    (
        ("extract_emails", "Find all e-mail addresses in a text.", "text: str", "list[str]"),
        ("find_email_addresses", "Extract every email address from a text.", "text: str", "list[str]"),
    ),
    (
        (
            "haversine_distance",
            "Compute the distance in kilometres between two coordinates.",
            "lat1: float, lon1: float, lat2: float, lon2: float",
            "float",
        ),
        (
            "geo_distance",
            "Great circle distance in kilometres between two coordinates.",
            "lat1: float, lon1: float, lat2: float, lon2: float",
            "float",
        ),
    ),
    (
        ("celsius_to_fahrenheit", "Convert degrees Celsius to Fahrenheit.", "celsius: float", "float"),
        (
            "convert_celsius_to_fahrenheit",
            "Convert a temperature from Celsius to Fahrenheit.",
            "temperature: float",
            "float",
        ),
    ),
    (
        ("sha256_hex", "Compute the SHA-256 hash of a text as hex.", "text: str", "str"),
        ("hash_text", "Hash a text with SHA-256 and return hex.", "text: str", "str"),
    ),
    (
        (
            "compound_interest",
            "Compute compound interest on a principal.",
            "principal: float, rate: float, years: int",
            "float",
        ),
        (
            "calculate_compound_interest",
            "Calculate the compound interest for a principal at a yearly rate.",
            "principal: float, rate: float, years: int",
            "float",
        ),
    ),
    (
        ("fetch_json", "Download a JSON document from a URL.", "url: str", "dict"),
        ("get_json", "Fetch JSON from a URL.", "url: str", "dict"),
    ),
    (
        ("roman_numeral", "Convert an integer to a Roman numeral.", "n: int", "str"),
        ("int_to_roman", "Convert an integer into its Roman numeral.", "number: int", "str"),
    ),
    (
        ("caesar_cipher", "Encrypt a text with the Caesar cipher.", "text: str, shift: int", "str"),
        ("caesar_encrypt", "Encrypt text using a Caesar cipher with a shift.", "text: str, shift: int", "str"),
    ),
    (
        ("sort_records", "Sort a list of records by a key.", "records: list[dict], key: str", "list[dict]"),
        ("sort_by_key", "Sort a list of dictionaries by a given key.", "items: list[dict], key: str", "list[dict]"),
    ),
    (
        ("levenshtein", "Compute the edit distance between two strings.", "a: str, b: str", "int"),
        ("edit_distance", "Levenshtein edit distance between two strings.", "first: str, second: str", "int"),
    ),
]
DIFFERENT = [
    (
        (
            "fetch_exchange_rate",
            "Fetch the current exchange rate between two currencies.",
            "base: str, target: str",
            "float",
        ),
        ("convert_currency", "Convert an amount with a given exchange rate.", "amount: float, rate: float", "float"),
    ),
    (
        (
            "fetch_exchange_rate",
            "Fetch the current exchange rate between two currencies.",
            "base: str, target: str",
            "float",
        ),
        (
            "exchange_rate_history",
            "Fetch the exchange rates between two currencies for the last days.",
            "base: str, target: str, days: int",
            "list[float]",
        ),
    ),
    (
        (
            "fetch_exchange_rate",
            "Fetch the current exchange rate between two currencies.",
            "base: str, target: str",
            "float",
        ),
        ("fetch_interest_rate", "Fetch the current interest rate of a central bank.", "bank: str", "float"),
    ),
    (
        ("generate_password", "Generate a random password of a given length.", "length: int", "str"),
        ("password_entropy", "Compute the entropy of a password in bits.", "password: str", "float"),
    ),
    (
        ("generate_password", "Generate a random password of a given length.", "length: int", "str"),
        ("generate_uuid", "Generate a random UUID.", "", "str"),
    ),
    (
        ("generate_password", "Generate a random password of a given length.", "length: int", "str"),
        ("hash_password", "Hash a password with a random salt.", "password: str", "str"),
    ),
    (
        ("save_csv", "Write rows to a CSV file.", "rows: list[dict], path: str", "str"),
        ("read_csv", "Read rows from a CSV file.", "path: str", "list[dict]"),
    ),
    (
        ("save_csv", "Write rows to a CSV file.", "rows: list[dict], path: str", "str"),
        ("save_json", "Write rows to a JSON file.", "rows: list[dict], path: str", "str"),
    ),
    (
        ("word_count", "Count the words in a text.", "text: str", "int"),
        ("character_count", "Count the characters in a text.", "text: str", "int"),
    ),
    (
        ("word_count", "Count the words in a text.", "text: str", "int"),
        ("longest_word", "Find the longest word in a text.", "text: str", "str"),
    ),
    (
        ("is_prime", "Tell whether a number is prime.", "n: int", "bool"),
        ("prime_factors", "List the prime factors of a number.", "n: int", "list[int]"),
    ),
    (
        ("is_prime", "Tell whether a number is prime.", "n: int", "bool"),
        ("is_even", "Tell whether a number is even.", "n: int", "bool"),
    ),
    (
        ("fetch_weather", "Fetch the current weather for a city.", "city: str", "dict"),
        (
            "weather_forecast",
            "Fetch the weather forecast of the next days for a city.",
            "city: str, days: int",
            "list[dict]",
        ),
    ),
    (
        ("fetch_weather", "Fetch the current weather for a city.", "city: str", "dict"),
        ("fetch_time", "Fetch the current time for a city.", "city: str", "str"),
    ),
    (
        ("median", "Compute the median of a list of numbers.", "values: list[float]", "float"),
        ("mean", "Compute the mean of a list of numbers.", "values: list[float]", "float"),
    ),
    (
        ("median", "Compute the median of a list of numbers.", "values: list[float]", "float"),
        ("standard_deviation", "Compute the standard deviation of a list of numbers.", "values: list[float]", "float"),
    ),
    (
        ("celsius_to_fahrenheit", "Convert degrees Celsius to Fahrenheit.", "celsius: float", "float"),
        ("fahrenheit_to_celsius", "Convert degrees Fahrenheit to Celsius.", "fahrenheit: float", "float"),
    ),
    (
        ("celsius_to_fahrenheit", "Convert degrees Celsius to Fahrenheit.", "celsius: float", "float"),
        ("miles_to_kilometres", "Convert miles to kilometres.", "miles: float", "float"),
    ),
    (
        ("sha256_hex", "Compute the SHA-256 hash of a text as hex.", "text: str", "str"),
        ("md5_hex", "Compute the MD5 hash of a text as hex.", "text: str", "str"),
    ),
    (
        (
            "compound_interest",
            "Compute compound interest on a principal.",
            "principal: float, rate: float, years: int",
            "float",
        ),
        (
            "simple_interest",
            "Compute simple interest on a principal.",
            "principal: float, rate: float, years: int",
            "float",
        ),
    ),
    (
        ("fetch_json", "Download a JSON document from a URL.", "url: str", "dict"),
        ("download_image", "Download an image from a URL.", "url: str", "bytes"),
    ),
    (
        ("encode_base64", "Encode text as base64.", "text: str", "str"),
        ("decode_base64", "Decode base64 text.", "text: str", "str"),
    ),
    (
        ("roman_numeral", "Convert an integer to a Roman numeral.", "n: int", "str"),
        ("roman_to_integer", "Convert a Roman numeral to an integer.", "numeral: str", "int"),
    ),
    (
        ("caesar_cipher", "Encrypt a text with the Caesar cipher.", "text: str, shift: int", "str"),
        (
            "caesar_decipher",
            "Decrypt a text that was encrypted with the Caesar cipher.",
            "text: str, shift: int",
            "str",
        ),
    ),
    (
        ("extract_emails", "Find all e-mail addresses in a text.", "text: str", "list[str]"),
        ("extract_urls", "Find all URLs in a text.", "text: str", "list[str]"),
    ),
    (
        (
            "trending_repositories",
            "List the top trending GitHub repositories with their stars.",
            "count: int",
            "list[dict]",
        ),
        (
            "repository_contributors",
            "List the top contributors of a GitHub repository.",
            "repository: str",
            "list[dict]",
        ),
    ),
    (
        ("slugify", "Turn a title into a URL slug.", "title: str", "str"),
        ("title_case", "Turn a text into title case.", "text: str", "str"),
    ),
]
