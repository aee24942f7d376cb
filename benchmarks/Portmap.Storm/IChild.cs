namespace Portmap.Storm;

/// <summary>A child process; disposing ends it, and waits until it has ended.</summary>
internal interface IChild : IAsyncDisposable
{
    int Id { get; }
}
