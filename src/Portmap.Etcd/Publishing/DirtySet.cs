using Portmap.Etcd.Connecting;

namespace Portmap.Etcd.Publishing;

/// <summary>The owners whose entry at etcd may differ from the registry's: told by anybody, taken
/// by the publisher.</summary>
/// <remarks>What changed is not kept, only that something did: the publisher reads the registry
/// when it sends. Past <see cref="MostOwners"/> it is "everything", so that an etcd that stays away
/// costs no memory.</remarks>
internal sealed class DirtySet(TimeProvider time)
{
    private const int MostOwners = 262_144;

    private readonly Lock _gate = new();
    private readonly WakeUp _wakeUp = new(time);
    private HashSet<OwnerKey> _owners = [];
    private int _underWay;
    private bool _isEverything;

    /// <summary>How many owners there are, those included that were taken and are under
    /// way.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _owners.Count + _underWay;
            }
        }
    }

    /// <summary>Nothing was told that did not arrive.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return !_isEverything && _owners.Count + _underWay == 0;
            }
        }
    }

    public void Add(OwnerKey owner)
    {
        lock (_gate)
        {
            if (_isEverything)
            {
                return;
            }

            _owners.Add(owner);
            if (_owners.Count > MostOwners)
            {
                _owners = [];
                _isEverything = true;
            }
        }

        _wakeUp.Set();
    }

    public void AddEverything()
    {
        lock (_gate)
        {
            _owners = [];
            _isEverything = true;
        }

        _wakeUp.Set();
    }

    /// <summary>Takes at most so many owners; what was taken before has arrived.</summary>
    /// <returns>False when everything is to be looked at; then nothing was taken.</returns>
    public bool TryTake(int most, List<OwnerKey> taken)
    {
        lock (_gate)
        {
            if (_isEverything)
            {
                return false;
            }

            if (_owners.Count <= most)
            {
                taken.AddRange(_owners);
                _underWay = taken.Count;
                _owners = _owners.Count > 1_024 ? [] : Cleared(_owners);
                return true;
            }

            foreach (OwnerKey owner in _owners)
            {
                taken.Add(owner);
                if (taken.Count == most)
                {
                    break;
                }
            }

            _owners.ExceptWith(taken);
            _underWay = taken.Count;
            return true;
        }
    }

    /// <summary>Begins a look at everything: what is told from now on counts again.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _owners = [];
            _underWay = 0;
            _isEverything = false;
        }
    }

    /// <summary>Waits until something was told since the last wait, or the time is over.</summary>
    public Task WaitAsync(TimeSpan limit, CancellationToken cancellationToken) => _wakeUp.WaitAsync(limit, cancellationToken);

    private static HashSet<OwnerKey> Cleared(HashSet<OwnerKey> set)
    {
        set.Clear();
        return set;
    }
}
