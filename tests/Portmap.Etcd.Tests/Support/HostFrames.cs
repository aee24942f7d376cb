namespace Portmap.Etcd.Tests.Support;

/// <summary>What a host says over one connection of HTTP/2, frame by frame, so that its questions
/// for the progress of a watch can be left out.</summary>
/// <remarks>Etcd never hears such a question then. To the host it looks like one that etcd leaves
/// without an answer, as newer etcds do.</remarks>
internal sealed class HostFrames
{
    private const int PrefaceBytes = 24;
    private const int HeaderBytes = 9;

    /// <summary>A message of gRPC: not compressed, two bytes, <c>progress_request</c> with nothing
    /// in it.</summary>
    private static readonly byte[] s_question = [0, 0, 0, 0, 2, 0x1A, 0];

    private readonly List<byte> _open = [];
    private bool _isBegun;

    private int NextBytes => !_isBegun ? PrefaceBytes : _open.Count < HeaderBytes ? HeaderBytes : HeaderBytes + ((_open[0] << 16) | (_open[1] << 8) | _open[2]);

    /// <summary>Takes what the host said.</summary>
    /// <param name="said">A part of it.</param>
    /// <param name="isHiding">Whether questions are left out.</param>
    /// <param name="hidden">How many were.</param>
    /// <returns>The frames that are whole now.</returns>
    public byte[] Pass(ReadOnlySpan<byte> said, bool isHiding, out int hidden)
    {
        _open.AddRange(said);
        List<byte> passed = [];
        hidden = 0;
        while (_open.Count > 0 && _open.Count >= NextBytes)
        {
            List<byte> frame = _open.GetRange(0, NextBytes);
            _open.RemoveRange(0, frame.Count);
            if (isHiding && _isBegun && frame.Skip(HeaderBytes).SequenceEqual(s_question))
            {
                hidden++;
            }
            else
            {
                passed.AddRange(frame);
            }

            _isBegun = true;
        }

        return [.. passed];
    }
}
