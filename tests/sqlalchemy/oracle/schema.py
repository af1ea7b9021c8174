"""The shop of the oracle: what recorders trip over, in a few tables."""

import datetime
import decimal
import random
import uuid

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Numeric,
    String,
    Table,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    mapped_column,
    relationship,
)

from ... import databases

MAKERS, TAGS, ITEMS, REVIEWS = 5, 5, 14, 20
NOCASE = String(30, collation=databases.NOCASE)


class Base(DeclarativeBase):
    type_annotation_map = {str: String(60)}


class Maker(Base):
    __tablename__ = "maker"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(NOCASE)
    handle: Mapped[str | None] = mapped_column(NOCASE, unique=True)
    country: Mapped[int | None]
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    items: Mapped[list["Item"]] = relationship(back_populates="maker", order_by="Item.id")


item_tag = Table(
    "item_tag",
    Base.metadata,
    Column("item_id", ForeignKey("item.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_name", ForeignKey("tag.name", onupdate="CASCADE"), primary_key=True),
)


class Tag(Base):
    __tablename__ = "tag"
    name: Mapped[str] = mapped_column(NOCASE, primary_key=True)
    weight: Mapped[int] = mapped_column(default=0)
    items: Mapped[list["Item"]] = relationship(
        secondary=item_tag, back_populates="tags", order_by="Item.id"
    )


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="item")
    title: Mapped[str]
    price: Mapped[decimal.Decimal] = mapped_column(Numeric(8, 2), default=decimal.Decimal("1.00"))
    made: Mapped[datetime.date | None] = mapped_column(Date)
    stock: Mapped[int] = mapped_column(CheckConstraint("stock > -1000"), default=0)
    code: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4)
    maker_id: Mapped[int | None] = mapped_column(ForeignKey("maker.id"))
    weight: Mapped[int | None]  # of tools
    maker: Mapped[Maker | None] = relationship(back_populates="items")
    tags: Mapped[list[Tag]] = relationship(
        secondary=item_tag, back_populates="items", order_by=Tag.name, passive_deletes=True
    )
    reviews: Mapped[list["Review"]] = relationship(
        back_populates="item", passive_deletes=True, cascade="all, delete-orphan",
        order_by="Review.id",
    )  # fmt: skip
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "item"}

    @hybrid_property
    def cheap(self):
        return self.price < 3


class Book(Item):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"), primary_key=True)
    pages: Mapped[int] = mapped_column(default=1)
    __mapper_args__ = {"polymorphic_identity": "book"}


class Tool(Item):
    __mapper_args__ = {"polymorphic_identity": "tool"}


class Review(Base):
    __tablename__ = "review"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("review.id", ondelete="SET NULL"))
    stars: Mapped[int]
    body: Mapped[str]
    item: Mapped[Item] = relationship(back_populates="reviews")
    parent: Mapped["Review | None"] = relationship(remote_side=[id])


Maker.total = column_property(
    select(func.count(Item.id)).where(Item.maker_id == Maker.id).correlate_except(Item)
    .scalar_subquery(),
    deferred=True,
)  # fmt: skip


def engine_for(path, *, recipe=True):
    """SQLite that enforces foreign keys; with SQLAlchemy's ``recipe`` for real transactions, or as
    Python's driver has them. Or the database of `tests.databases`."""
    url = databases.database(path)
    if databases.BACKEND != "sqlite":
        more = {"isolation_level": databases.ISOLATION} if databases.ISOLATION else {}
        return create_engine(url, **more)
    engine = create_engine(url, connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def connected(connection, _):
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        if recipe:
            connection.isolation_level = None

    if recipe:

        @event.listens_for(engine, "begin")
        def begun(connection):
            if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
                connection.exec_driver_sql("BEGIN IMMEDIATE" if writes(connection) else "BEGIN")

    return engine


def writes(connection):
    """Whether the transaction is an edit of several that wait for each other: one that has read may
    not write after another has written, in SQLite."""
    return connection.get_execution_options().get("edits", False)


def fill(engine, seed):
    rng = random.Random(seed)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            Maker(id=n, name=f"M{n}", country=n % 3 or None, handle=f"h{n}" if n < 4 else None)
            for n in range(1, MAKERS)
        )
        tags = [Tag(name=f"T{n}", weight=n) for n in range(TAGS)]
        session.add_all(tags)
        for n in range(1, ITEMS):
            session.add(new_item(rng, tags=rng.sample(tags, n % 3)))
        session.flush()
        for _ in range(REVIEWS):
            session.add(new_review(rng, rng.randrange(1, ITEMS)))
        if databases.BACKEND == "postgresql":  # what it numbers itself knows nothing of ours
            session.execute(text("SELECT setval('maker_id_seq', 100)"))
        session.commit()


def new_item(rng, **said):
    kind = rng.choice((Item, Book, Tool))
    more = {Book: {"pages": rng.randrange(4)}, Tool: {"weight": rng.randrange(4)}, Item: {}}[kind]
    return kind(
        title=rng.choice("abcABC"), price=decimal.Decimal(rng.randrange(8)) / 2, code=code(rng),
        stock=rng.randrange(4), made=day(rng), maker_id=rng.choice((None, 1, 2, 3)), **more, **said,
    )  # fmt: skip


def new_review(rng, item_id):
    return Review(item_id=item_id, stars=rng.randrange(6), body=rng.choice("xyz"))


def code(rng):
    return uuid.UUID(int=rng.randrange(6))


def day(rng):
    return rng.choice((None, datetime.date(2026, 1, rng.randrange(1, 6))))
