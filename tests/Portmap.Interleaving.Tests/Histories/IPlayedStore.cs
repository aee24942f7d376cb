namespace Portmap.Interleaving.Tests.Histories;

/// <summary>A store that scenarios are played on.</summary>
internal interface IPlayedStore : IPortStore
{
    /// <summary>It is open: from here on it does what it is for.</summary>
    void Begin();

    /// <summary>From here on it writes everything at once.</summary>
    void Heal();
}
