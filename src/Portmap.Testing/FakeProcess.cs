using System.Net.Sockets;

namespace Portmap.Testing;

/// <summary>A process of a <see cref="FakeMachine"/>: it opens sockets, connects to a registry, and
/// dies, as the test says.</summary>
/// <remarks>All members are safe for any thread.</remarks>
public sealed class FakeProcess
{
    private readonly FakeMachine _machine;
    private readonly TaskCompletionSource _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<PortSession> _sessions = [];

    internal FakeProcess(FakeMachine machine, int id, uint? userId, long startTime)
    {
        _machine = machine;
        Id = id;
        UserId = userId;
        StartTime = startTime;
    }

    /// <summary>Its id.</summary>
    public int Id { get; }

    /// <summary>The user it acts as; null is unknown.</summary>
    public uint? UserId { get; }

    /// <summary>Whether it lives.</summary>
    public bool IsAlive => _machine.IsAlive(this);

    /// <summary>Completes when it has died. Never faults.</summary>
    public Task WhenExited => _exited.Task;

    /// <summary>The ports it has, in ascending order, TCP before UDP.</summary>
    public IReadOnlyList<(PortProtocol Protocol, int Port)> Ports => _machine.PortsOf(this);

    /// <summary>Tells it from another process that had its id.</summary>
    internal long StartTime { get; }

    /// <summary>Binds a port and listens on it. One that it has bound already listens from then
    /// on.</summary>
    /// <param name="port">The port, 1 to 65535.</param>
    /// <param name="protocol">TCP, UDP or both.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is no port.</exception>
    /// <exception cref="SocketException">AddressAlreadyInUse: a process has the port.</exception>
    /// <exception cref="InvalidOperationException">The process has died.</exception>
    public void Listen(int port, PortProtocol protocol = PortProtocol.Tcp) => _machine.Open(this, port, protocol, listens: true);

    /// <summary>Binds a port and does not listen: others are kept off, and nobody is served. A UDP
    /// socket serves as soon as it is bound.</summary>
    /// <param name="port">The port, 1 to 65535.</param>
    /// <param name="protocol">TCP, UDP or both.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is no port.</exception>
    /// <exception cref="SocketException">AddressAlreadyInUse: a process has the port.</exception>
    /// <exception cref="InvalidOperationException">The process has died.</exception>
    public void Bind(int port, PortProtocol protocol = PortProtocol.Tcp) => _machine.Open(this, port, protocol, listens: false);

    /// <summary>Closes its sockets on a port; nothing when it has none.</summary>
    /// <param name="port">The port.</param>
    /// <param name="protocol">TCP, UDP or both.</param>
    public void Close(int port, PortProtocol protocol = PortProtocol.Tcp) => _machine.Close(this, port, protocol);

    /// <summary>Opens a session, the connection of this process to a registry, which breaks when the
    /// process dies.</summary>
    /// <param name="registry">The registry.</param>
    /// <returns>The session; disposing it is a connection that breaks while the process
    /// lives.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="registry"/> is null.</exception>
    public PortSession Connect(PortRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        PortSession session = UserId is { } user ? registry.OpenSession(Id, user) : registry.OpenSession(Id);
        lock (_sessions)
        {
            _sessions.Add(session);
        }

        return session;
    }

    /// <summary>SIGKILL: its sockets close, it is gone, and its connections break, so that a
    /// registry knows it when this returns. Nothing when it has died.</summary>
    /// <param name="keepConnections">Whether somebody else, a child for instance, keeps its
    /// connections open: then a registry learns of the death by its next pass.</param>
    public void Kill(bool keepConnections = false)
    {
        if (!_machine.End(this))
        {
            return;
        }

        List<PortSession> sessions;
        lock (_sessions)
        {
            sessions = [.. _sessions];
            _sessions.Clear();
        }

        foreach (PortSession session in keepConnections ? [] : sessions)
        {
            _ = session.DisposeAsync().AsTask();   // returns at once
        }

        _exited.TrySetResult();
    }
}
