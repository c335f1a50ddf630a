"""An agent of one's own, for families whose episodes repeat exactly, as Krazy World's do."""

import numpy as np


class Retracer:
    """Walks its best episode again up to the last reward, then tries something new."""

    name = "retracer"

    def begin(self, trials):
        """Remember nothing yet."""
        rows = trials.num_rows
        self.num_actions = trials.action_space.n
        self.rng = [np.random.default_rng(seed) for seed in trials.seeds]
        self.best, self.best_return = [[] for _ in range(rows)], np.zeros(rows)
        self.actions, self.rewards = [[] for _ in range(rows)], [[] for _ in range(rows)]

    def act(self, observation):
        """The best episode's action at this step; a random one after its end."""
        return np.array(
            [
                best[len(done)] if len(done) < len(best) else rng.integers(self.num_actions)
                for best, done, rng in zip(self.best, self.actions, self.rng, strict=True)
            ]
        )

    def observe(self, transition):
        """Write down what was done; at an episode's end keep it where it is the best yet."""
        for row in np.flatnonzero(transition.active):
            self.actions[row].append(transition.action[row])
            self.rewards[row].append(transition.reward[row])
            if transition.episode_end[row]:
                if sum(self.rewards[row]) > self.best_return[row]:
                    self.best_return[row] = sum(self.rewards[row])
                    self.best[row] = self.actions[row][: np.flatnonzero(self.rewards[row])[-1] + 1]
                self.actions[row], self.rewards[row] = [], []
