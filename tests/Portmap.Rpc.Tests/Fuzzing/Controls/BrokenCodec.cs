using System.Buffers.Binary;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Tests.Fuzzing.Controls;

/// <summary>A small codec of its own, right but for one seeded bug: records, and in each the words
/// of a header and one name. Frozen: it is what the detector is tested with.</summary>
internal sealed class BrokenCodec(CodecBug bug) : Codec
{
    public override Reader Open(uint program, uint procedure) => new BrokenReader(bug);

    private sealed class BrokenReader(CodecBug bug) : Reader
    {
        private const uint LastFragment = 0x8000_0000;
        private const int WordsBeforeTheName = 10;
        private const int MostTrusted = 1_048_576;

        private readonly List<byte> _mark = [];
        private readonly List<byte> _record = [];
        private int _left = -1;
        private bool _isLast;

        public override RecordStatus Read(ref ArraySegment<byte> input)
        {
            while (true)
            {
                if (_left < 0 && !ReadMark(ref input))
                {
                    return RecordStatus.NeedMore;
                }

                if (_left > MaxRecordBytes - _record.Count)
                {
                    return RecordStatus.TooLong;
                }

                if (bug == CodecBug.StandsStill && _left == 0 && _isLast)
                {
                    return RecordStatus.Complete;
                }

                // As the real one: a record that lies whole in the input is read where it lies.
                if (_isLast && _record.Count == 0 && input.Count >= _left)
                {
                    ArraySegment<byte> whole = input[.._left];
                    input = input[_left..];
                    _left = -1;
                    ReadRecord(whole);
                    return RecordStatus.Complete;
                }

                int take = Math.Min(_left, input.Count);
                _record.AddRange(input[..take]);
                input = input[take..];
                _left -= take;
                if (_left > 0)
                {
                    return RecordStatus.NeedMore;
                }

                _left = -1;
                if (_isLast)
                {
                    byte[] record = [.. _record];
                    _record.Clear();
                    ReadRecord(record);
                    return RecordStatus.Complete;
                }
            }
        }

        private bool ReadMark(ref ArraySegment<byte> input)
        {
            if (bug == CodecBug.ForgetsAcrossPieces)
            {
                _mark.Clear();
            }

            while (_mark.Count < 4 && input.Count > 0)
            {
                _mark.Add(input[0]);
                input = input[1..];
            }

            if (_mark.Count < 4)
            {
                return false;
            }

            uint mark = BinaryPrimitives.ReadUInt32BigEndian(_mark.ToArray());
            _mark.Clear();
            _isLast = (mark & LastFragment) != 0;
            _left = (int)(mark & ~LastFragment);
            if (bug == CodecBug.TrustsLengths)
            {
                _record.EnsureCapacity(Math.Min(_left, MostTrusted));
            }

            return true;
        }

        private void ReadRecord(ArraySegment<byte> record)
        {
            int nameAt = (4 * WordsBeforeTheName) + 4;
            if (record.Count < nameAt)
            {
                Trace.Add(record.Count);
                return;
            }

            Trace.AddBytes(record[..(4 * WordsBeforeTheName)]);
            uint length = BinaryPrimitives.ReadUInt32BigEndian(record.AsSpan(nameAt - 4));
            int end = bug == CodecBug.ReadsPastTheEnd ? record.Array!.Length - record.Offset : record.Count;
            if (length > (uint)(end - nameAt) && bug != CodecBug.LetsExceptionsOut)
            {
                Trace.Add("too short");
                return;
            }

            Trace.AddBytes(record.Array.AsSpan(record.Offset, end).Slice(nameAt, (int)length));
        }
    }
}
