namespace Portmap.Guarding;

/// <summary>How long a thread waits for the one that is at a placeholder, where leaving an errand
/// will not do.</summary>
/// <remarks>Nearly always that is over within a few system calls.</remarks>
internal struct Patience
{
    /// <summary>How often it gives way to others before it has none left.</summary>
    private const int Most = 30;

    private SpinWait _turns;

    /// <summary>Waits a moment, without an end.</summary>
    public void Wait() => _turns.SpinOnce();

    /// <summary>Waits a moment, or says that it was long enough.</summary>
    public bool TryWait()
    {
        if (_turns.Count == Most)
        {
            return false;
        }

        _turns.SpinOnce(sleep1Threshold: -1);
        return true;
    }
}
