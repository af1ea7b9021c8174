"""The pages of the oracle's shop: every kind of read, each with some of its values.

A page is a function from a session to what it shows. `pages` makes them from a seed.
"""

import datetime
import decimal
import random
import uuid

from sqlalchemy import (
    String,
    and_,
    case,
    cast,
    desc,
    distinct,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    text,
    tuple_,
    union,
    union_all,
)  # fmt: skip
from sqlalchemy.orm import (
    aliased,
    contains_eager,
    defer,
    joinedload,
    load_only,
    raiseload,
    selectinload,
    subqueryload,
    undefer,
    with_loader_criteria,
    with_polymorphic,
)  # fmt: skip

from .schema import Book, Item, Maker, Review, Tag, Tool, item_tag

Other = aliased(Item)
AnyItem = with_polymorphic(Item, "*")
CELL = (Item.id, Item.title)


def show(item):
    if item is None:
        return "-"
    more = getattr(item, "pages", ""), getattr(item, "weight", "")
    return (item.id, item.kind, item.title, str(item.price), str(item.made), item.stock, *more)


def detail(n):
    def page(session):
        item = session.get(Item, n)
        if item is None:
            return "404"
        maker = item.maker.name if item.maker else "-"
        return show(item), maker, [tag.name for tag in item.tags], [r.body for r in item.reviews]

    return page


def rows(statement, pick=lambda row: tuple(map(str, row))):
    return _in_order(
        statement, lambda session: [pick(row) for row in session.execute(statement).unique()]
    )


def items(statement):
    return _in_order(
        statement, lambda session: [show(item) for item in session.scalars(statement).unique()]
    )


def _in_order(statement, page):
    """Rows that come in no order come in another as they are updated, from some databases."""
    ordered = getattr(statement, "_order_by_clauses", ())
    return page if ordered else lambda session: sorted(page(session))


def lists(n, d, u):
    yield "equal", items(select(Item).where(Item.maker_id == n).order_by(Item.id))
    yield "range", items(select(Item).where(Item.stock > n, Item.maker_id == 1).order_by(Item.id))
    yield "top", items(select(Item).order_by(Item.stock.desc(), Item.id).limit(n))
    yield "offset", items(select(Item).order_by(Item.title, Item.id).offset(n).limit(2))
    yield (
        "or",
        items(select(Item).where(or_(Item.stock == n, Item.maker_id == n)).order_by(Item.id)),
    )
    yield "not", items(select(Item).where(not_(Item.stock == n)).order_by(Item.id))
    yield "in", items(select(Item).where(Item.stock.in_([n, n + 1])).order_by(Item.id))
    yield "not in", items(select(Item).where(Item.stock.not_in([n, 2])).order_by(Item.id))
    yield (
        "tuple in",
        items(
            select(Item)
            .where(tuple_(Item.stock, Item.maker_id).in_([(n, 1), (2, 2)]))
            .order_by(Item.id)
        ),
    )
    yield "null", items(select(Item).where(Item.maker_id.is_(None)).order_by(Item.id))
    yield (
        "date",
        items(select(Item).where(Item.made >= datetime.date(2026, 1, n)).order_by(Item.id)),
    )
    yield "same date", items(select(Item).where(Item.made == datetime.date(2026, 1, n)))
    yield "decimal", items(select(Item).where(Item.price == d).order_by(Item.id))
    yield "uuid", items(select(Item).where(Item.code == u).order_by(Item.id))
    yield "nocase", items(select(Item).join(Item.maker).where(Maker.name == f"m{n}"))
    yield "bool", rows(select(Maker.id, Maker.name).where(Maker.active == True))  # noqa: E712
    yield "not true", rows(select(Maker.id).where(Maker.active != True))  # noqa: E712
    yield "bare bool", rows(select(Maker.id, Maker.name).where(Maker.active, Maker.country == n))
    yield "hybrid", items(select(Item).where(Item.cheap, Item.stock == n).order_by(Item.id))
    yield "text", items(select(Item).where(text(f"stock = {n}")).order_by(text("id")))
    yield "by name", rows(select(*CELL, Item.stock).order_by("stock", "id").limit(n))
    yield "star", rows(select(literal_column("*")).select_from(Maker).where(Maker.id > n))
    yield "alias", rows(
        select(Item.id, Other.id, Other.title).join(Other, Other.stock == Item.stock)
        .where(Item.maker_id == n).order_by(Item.id, Other.id)
    )  # fmt: skip
    yield "books", items(select(Book).where(Book.pages == n).order_by(Book.id))
    yield "tools", items(select(Tool).where(Tool.weight == n).order_by(Tool.id))
    yield "everything", items(select(AnyItem).order_by(AnyItem.id))
    yield (
        "many to many",
        items(select(Item).join(Item.tags).where(Tag.name == f"t{n}").order_by(Item.id)),
    )
    yield "any", items(select(Item).where(Item.reviews.any(Review.stars == n)).order_by(Item.id))
    yield "none", items(select(Item).where(~Item.tags.any(Tag.weight == n)).order_by(Item.id))
    yield "has", items(select(Item).where(Item.maker.has(country=n)).order_by(Item.id))
    yield "in select", items(
        select(Item).where(Item.id.in_(select(Review.item_id).where(Review.stars == n)))
        .order_by(Item.id)
    )  # fmt: skip
    yield "criteria", items(
        select(Item).where(Item.id.in_(select(Review.item_id)))
        .options(with_loader_criteria(Review, Review.stars == n)).order_by(Item.id)
    )  # fmt: skip
    yield "outer", rows(
        select(Maker.id, Item.title)
        .outerjoin(Item, and_(Item.maker_id == Maker.id, Maker.country == n))
        .order_by(Maker.id, Item.id)
    )  # fmt: skip
    yield "outer where", rows(
        select(Maker.id, Item.id, Item.title).outerjoin(Maker.items).where(Item.stock == n)
        .order_by(Maker.id, Item.id)
    )  # fmt: skip


def numbers(n, d, u):
    yield "count", rows(select(func.count()).select_from(Item).where(Item.maker_id == n))
    yield "count all", rows(select(func.count(Item.id)))
    yield "query count", lambda session: session.query(Item).filter_by(stock=n).count()
    yield "exists", lambda session: session.scalar(select(exists().where(Item.stock == n)))
    yield "sum", rows(select(func.sum(Item.price)).where(Item.maker_id == n))
    yield "group", rows(
        select(Item.maker_id, func.count(), func.max(Item.stock)).group_by(Item.maker_id)
        .having(func.count() > 1).order_by(Item.maker_id)
    )  # fmt: skip
    yield (
        "group by key",
        rows(
            select(Maker.id, Maker.name, func.count(Item.id))
            .outerjoin(Maker.items)
            .group_by(Maker.id)
        ),
    )
    yield "distinct", rows(select(Item.stock).distinct().order_by(Item.stock))
    yield "count distinct", rows(select(func.count(distinct(Item.title))))
    titles = select(Item.title).distinct().subquery()
    yield "count of distinct", rows(select(func.count()).select_from(titles))
    yield "lower", rows(select(func.lower(Item.title)).order_by(Item.id))
    yield "case", rows(select(case((Item.stock > n, "many"), else_="few")).order_by(Item.id))
    yield "cast", rows(select(cast(Item.stock, String)).where(cast(Item.stock, String) == str(n)))
    yield "window", rows(
        select(Item.id, func.rank().over(partition_by=Item.maker_id, order_by=Item.stock))
        .order_by(Item.id)
    )  # fmt: skip
    yield "scalar", rows(
        select(Maker.name, select(func.count(Item.id)).where(
            Item.maker_id == Maker.id, Item.stock == n).scalar_subquery()).order_by(Maker.id)
    )  # fmt: skip
    yield (
        "column property",
        lambda session: [
            (maker.id, maker.total)
            for maker in session.scalars(
                select(Maker).options(undefer(Maker.total)).order_by(Maker.id)
            )
        ],
    )
    some = select(Item.id, Item.maker_id, Item.title).where(Item.stock >= n)
    subquery = some.order_by(Item.id).limit(5).subquery()
    yield "subquery", rows(
        select(Maker.name, subquery.c.title).join(subquery, subquery.c.maker_id == Maker.id)
        .order_by(subquery.c.id)
    )  # fmt: skip
    yield "count of subquery", rows(select(func.count()).select_from(subquery))
    some = select(Item).order_by(Item.id).limit(3 + n).subquery()
    yield "entity of subquery", items(select(aliased(Item, some)))
    cte = select(Item.id, Item.maker_id).where(Item.stock == n).cte()
    yield "cte", rows(select(Maker.name).join(cte, cte.c.maker_id == Maker.id).order_by(Maker.id))
    tree = select(Review.id, Review.parent_id).where(Review.id == n).cte(recursive=True)
    tree = tree.union_all(
        select(Review.id, Review.parent_id).join(tree, Review.parent_id == tree.c.id)
    )
    yield "recursive", rows(select(tree.c.id).order_by(tree.c.id).limit(50))
    replies = select(Review.id, Review.parent_id).where(Review.stars == n)
    yield "replies", rows(replies.order_by(Review.id))
    yield (
        "union",
        rows(union(select(Item.id).where(Item.stock == n), select(Review.item_id)).order_by("id")),
    )
    yield (
        "union all",
        rows(union_all(select(Item.title).where(Item.stock == n), select(Maker.name))),
    )
    yield "union of rows", items(
        select(aliased(Item, union(
            select(Item).where(Item.stock == n), select(Item).where(Item.maker_id == n)
        ).subquery()))
    )  # fmt: skip
    yield "literal column", rows(select(literal_column("stock + 1")).select_from(Item))
    yield "constant", rows(select(literal(n), Item.title).where(Item.id == n))
    yield (
        "table",
        rows(select(item_tag).where(item_tag.c.item_id == n).order_by(item_tag.c.tag_name)),
    )
    yield "raw", rows(text(f"SELECT title FROM item WHERE stock = {n} ORDER BY id"))
    yield (
        "strings of rows",
        rows(
            select(func.aggregate_strings(Item.title, ",")).where(Item.maker_id == n),
            lambda row: sorted((row[0] or "").split(",")),
        ),
    )


def loads(n, d, u):
    yield (
        "load only",
        lambda session: [
            (item.id, item.title)
            for item in session.scalars(
                select(Item).options(load_only(Item.title)).order_by(Item.id)
            )
        ],
    )
    yield (
        "defer",
        lambda session: [
            (item.id, item.stock)
            for item in session.scalars(
                select(Item)
                .options(defer(Item.title), raiseload(Item.maker))
                .where(Item.stock == n)
                .order_by(Item.id)
            )
        ],
    )
    yield (
        "deferred, then read",
        lambda session: [
            item.title
            for item in session.scalars(
                select(Item).options(defer(Item.title)).order_by(Item.id).limit(n)
            )
        ],
    )
    for name, load in (("joined", joinedload), ("select in", selectinload), ("sub", subqueryload)):
        yield (
            f"{name} load",
            lambda session, load=load: [
                (maker.name, [show(item) for item in maker.items])
                for maker in session.scalars(
                    select(Maker).options(load(Maker.items)).order_by(Maker.name, Maker.id).limit(n)
                ).unique()
            ],
        )
        yield (
            f"{name} load of many to many",
            lambda session, load=load: [
                (item.id, [tag.weight for tag in item.tags])
                for item in session.scalars(
                    select(Item).where(Item.stock == n).options(load(Item.tags)).order_by(Item.id)
                ).unique()
            ],
        )
    yield "contains eager", lambda session: [
        (maker.id, [show(item) for item in maker.items])
        for maker in session.scalars(
            select(Maker).join(Maker.items).where(Item.stock == n)
            .options(contains_eager(Maker.items)).order_by(Maker.id, Item.id)
        ).unique()
    ]  # fmt: skip
    yield (
        "lazy",
        lambda session: [
            (tag.name, [show(item) for item in tag.items])
            for tag in session.scalars(select(Tag).order_by(desc(Tag.weight), Tag.name).limit(n))
        ],
    )
    yield (
        "parents",
        lambda session: [
            (review.body, review.parent.body if review.parent else "", review.item.title)
            for review in session.scalars(
                select(Review).where(Review.stars == n).order_by(Review.id)
            )
        ],
    )
    yield "columns", rows(select(Item.stock, Item.title).where(Item.id == n))
    yield "columns with key", rows(select(*CELL).where(Item.maker_id == n).order_by(Item.id))
    yield "first", lambda session: show(session.scalars(
        select(Item).where(Item.stock == n).order_by(Item.id)).first()
    )  # fmt: skip
    yield (
        "partitions",
        lambda session: [
            (item.id, item.title)
            for part in session.scalars(
                select(Item).order_by(Item.id).execution_options(yield_per=4)
            ).partitions()
            for item in part
        ],
    )
    by_handle = select(Maker).where(Maker.handle == f"H{n}")
    yield "unique", rows(by_handle, lambda row: (row[0].id, row[0].name))
    yield "unique and more", rows(
        by_handle.where(Maker.country == 1).options(load_only(Maker.active)),
        lambda row: (row[0].id, row[0].active),
    )  # fmt: skip
    yield "unique, outer", rows(
        select(Item.id, Maker.id, Maker.name)
        .outerjoin(Maker, and_(Maker.id == Item.maker_id, Maker.handle == f"h{n}"))
        .order_by(Item.id)
    )  # fmt: skip
    yield "get tag", lambda session: getattr(session.get(Tag, f"t{n}"), "weight", "-")
    yield "get book", lambda session: show(session.get(Book, n))
    yield "get maker", lambda session: getattr(session.get(Maker, n), "name", "-")


def pages(seed):
    """By path; what is shown is text."""
    rng = random.Random(seed)
    found = {}
    for n in range(1, 5):
        found[f"/item/{n}"] = detail(n)
    for kind, make in (("list", lists), ("number", numbers), ("load", loads)):
        for n in rng.sample(range(1, 5), 2):
            d, u = decimal.Decimal(n) / 2, uuid.UUID(int=n)
            for name, page in make(n, d, u):
                found[f"/{kind}/{name.replace(' ', '-').replace(',', '')}/{n}"] = page
    return found
