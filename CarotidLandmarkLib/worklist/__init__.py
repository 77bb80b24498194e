"""Many cases and their readers: which come first, who has done which, and volumes read before they are wanted."""
