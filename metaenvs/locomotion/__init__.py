"""Varying-dynamics locomotion: robots of Gymnasium's MuJoCo environments with hidden tasks."""
