// One etcd at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
