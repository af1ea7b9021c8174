"""Operations on a running site for people and programs: invalidation, listings, statistics, why."""
