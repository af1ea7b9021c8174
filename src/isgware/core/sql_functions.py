"""Functions of SQL that give what their arguments say: those that databases bring along.

What a function of the app's own database reads beside nobody sees. One that is missing here is
named in vain, and nothing else happens.
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = frozenset({
    "abs", "acos", "age", "any_value", "ascii", "asin", "atan", "atan2", "avg", "bin",
    "bin_to_uuid", "bool_and", "bool_or", "btrim", "cardinality", "cast", "cbrt", "ceil",
    "ceiling", "changes", "clock_timestamp", "coalesce", "collate", "collation", "compress",
    "conv", "convert", "corr", "cos", "cosh", "cot", "count", "covar_pop", "covar_samp",
    "crc32", "cume_dist", "curdate", "current_catalog", "current_database", "current_date",
    "current_role", "current_schema", "current_time", "current_timestamp", "current_user",
    "curtime", "database", "day", "dayname", "dayofmonth", "dayofweek", "dayofyear", "decode",
    "degrees", "dense_rank", "div", "elt", "encode", "every", "exp", "export_set", "extract",
    "factorial", "field", "find_in_set", "first_value", "floor", "format", "found_rows",
    "from_base64", "from_days", "from_unixtime", "gcd", "gen_random_uuid", "generate_series",
    "generate_subscripts", "getdate", "glob", "greatest", "group_concat", "grouping", "hour",
    "hypot", "if", "iff", "ifnull", "iif", "inet_aton", "inet_ntoa", "initcap", "insert",
    "instr", "interval", "isfinite", "isnull", "julianday", "justify_days", "justify_hours",
    "lag", "last_day", "last_insert_id", "last_insert_rowid", "last_value", "lcase", "lcm",
    "lead", "least", "left", "length", "levenshtein", "like", "likelihood", "likely", "ln",
    "localtime", "localtimestamp", "locate", "log", "log10", "log2", "lower", "lpad", "ltrim",
    "make_set", "max", "md5", "md5_digest", "median", "microsecond", "mid", "min", "minute",
    "mod", "mode", "month", "monthname", "multirange", "name_const", "now", "nth_value",
    "ntile", "nullif", "nvl", "nvl2", "oct", "octet_length", "ord", "overlaps", "overlay",
    "parse_ident", "percent_rank", "percentile_cont", "percentile_disc", "period_add",
    "period_diff", "pi", "plainto_tsquery", "position", "pow", "power", "printf", "quarter",
    "query_to_xml", "quote", "quote_ident", "quote_literal", "quote_nullable", "quotename",
    "radians", "radix", "rand", "random", "rank", "repeat", "replace", "reverse", "right",
    "round", "row", "row_number", "row_to_json", "rpad", "rtrim", "scale", "schema",
    "sec_to_time", "second", "session_user", "setseed", "setweight", "sha", "sha1", "sha2",
    "sha224", "sha256", "sha384", "sha512", "sign", "similarity", "sin", "sinh", "soundex",
    "space", "split_part", "sqrt", "statement_timestamp", "std", "stddev", "stddev_pop",
    "stddev_samp", "strftime", "strict_word_similarity", "strpos", "substr", "substring",
    "substring_index", "sum", "sysdate", "tan", "tanh", "text", "timediff", "timestampadd",
    "timestampdiff", "total", "transaction_timestamp", "translate", "trim", "trim_array",
    "trim_scale", "trunc", "truncate", "typeof", "ucase", "unaccent", "uncompress", "unhex",
    "unicode", "unistr", "unix_timestamp", "unixepoch", "unlikely", "unnest", "upper", "user",
    "utc_date", "utc_time", "utc_timestamp", "uuid", "uuid_to_bin", "uuidv4", "uuidv7",
    "values", "var_pop", "var_samp", "variance", "version", "websearch_to_tsquery", "week",
    "weekday", "weekofyear", "weight_string", "width_bucket", "word_similarity", "xmlagg",
    "xmlconcat", "xmlelement", "year", "yearweek", "zeroblob",
})  # fmt: skip
#: Families: of JSON, arrays, ranges, dates, full text, PostGIS, vectors.
_FAMILIES: Final = re.compile(
    r"json|array_|regexp_|regr_|date|time|to_|make_|ts_|tsvector_|phraseto_|st_|pg_|bit|char|concat"
    r"|string_|range_|lower_|upper_|xml|uuid_generate_|cosine_|l2_|inner_|vector_|hstore|akeys"
    r"|avals|skeys|svals|sqlite_|is_|inet|host|mask|net|family|txid_"
)


def is_known(name: str) -> bool:
    """Whether a function is a database's own, by its name in lower or upper case."""
    folded = name.strip().casefold()
    return folded in _NAMES or _FAMILIES.match(folded) is not None
