"""The pages, one module each (a folder where one is not enough): its `ROUTES`, its views, its view models."""
