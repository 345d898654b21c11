from __future__ import annotations

from perijove.client.cache import TimedCache, token_key


def test_age_is_the_readers_choice() -> None:
    cache: TimedCache[str, int] = TimedCache(10)
    cache.put("a", 1, 100)
    assert cache.get("a", 399.9, 300) == 1
    assert cache.get("a", 400, 300) is None
    assert cache.get("a", 400, 86400) == 1
    assert cache.get("b", 100, 300) is None


def test_least_recently_used_goes_first() -> None:
    cache: TimedCache[str, int] = TimedCache(2)
    cache.put("a", 1, 0)
    cache.put("b", 2, 0)
    assert cache.get("a", 0, 1) == 1
    cache.put("c", 3, 0)
    assert len(cache) == 2
    assert cache.get("b", 0, 1) is None
    assert cache.get("a", 0, 1) == 1


def test_drop() -> None:
    cache: TimedCache[str, int] = TimedCache(9)
    for key in ("a1", "a2", "b1"):
        cache.put(key, 0, 0)
    cache.drop(lambda key: key.startswith("a"))
    assert cache.get("b1", 0, 1) == 0
    assert len(cache) == 1


def test_key_holds_no_token() -> None:
    key = token_key("session", "token")
    assert "token" not in repr(key)
    assert key == token_key("session", "token")
    assert key != token_key("other", "token")
    assert key != token_key("session", "other")
    assert token_key("x" * 1000, "t") == token_key("", "t")
    assert token_key("", "\ud800")[1]
