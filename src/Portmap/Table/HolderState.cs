namespace Portmap.Table;

/// <summary>Where the holder of registrations stands. It only ever moves to the right.</summary>
internal enum HolderState
{
    /// <summary>Its connection is there.</summary>
    Connected = 0,

    /// <summary>Its connection has ended and its process lives: served until the grace is
    /// over.</summary>
    Grace = 1,

    /// <summary>As <see cref="Grace"/>, with a process nothing is known about: not
    /// served.</summary>
    Hidden = 2,

    /// <summary>Read from the store; it never had a connection to this run. Not served.</summary>
    Recovered = 3,

    /// <summary>Nobody came back in time.</summary>
    Over = 4,

    /// <summary>Its process has died.</summary>
    Dead = 5,
}
