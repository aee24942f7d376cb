namespace Portmap.Wire;

/// <summary>Our server and, where it is installed, glusterd: up at the same time and measured in
/// turns, so that whatever else the machine does hits both.</summary>
internal sealed class Contest(bool isPinned) : IDisposable
{
    private const int Repeats = 5;

    private readonly Server _ours = Server.Portmap(isPinned);
    private readonly Server? _glusterd = Server.Glusterd(isPinned);

    /// <summary>Does one thing with each.</summary>
    public Both<T> Each<T>(Func<Server, T> what)
        where T : IDisposable => new(what(_ours), _glusterd is null ? default : what(_glusterd));

    /// <summary>Measures each several times.</summary>
    public Outcome InTurns(Func<Server, Figure> measure)
    {
        List<Figure> ours = [], glusterds = [];
        for (int i = 0; i <= Repeats; i++)
        {
            Figure our = measure(_ours);
            Figure? their = _glusterd is null ? null : measure(_glusterd);
            if (i > 0) // the first one warms up
            {
                ours.Add(our);
                glusterds.AddRange(their is { } figure ? [figure] : []);
            }
        }

        return new Outcome(ours, glusterds);
    }

    public void Dispose()
    {
        _ours.Dispose();
        _glusterd?.Dispose();
    }

    /// <summary>Something that each server has.</summary>
    internal sealed class Both<T>(T ours, T? glusterds) : IDisposable
        where T : IDisposable
    {
        public T Of(Server server) => server.IsOurs ? ours : glusterds!;

        public Outcome Select(Func<T, Figure> figure) => new([figure(ours)], glusterds is null ? [] : [figure(glusterds)]);

        public void Dispose()
        {
            ours.Dispose();
            glusterds?.Dispose();
        }
    }
}
